"""Pixel spacing of a data set's cases, from its file or else from the image's."""

from __future__ import annotations

from collections.abc import Iterable

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.data.spacing import UNKNOWN, Spacing, user_spacing
from monai_landmarks.errors import LandmarksError


def case_spacings(dataset: LandmarkDataset, cases: Iterable[Case]) -> tuple[dict[str, Spacing], list[str]]:
    """Spacing by the case's id, and why some images could not be asked for theirs: those count as unknown.

    An image is opened only where the data set file gives no spacing.
    """
    found, faults = {}, []
    for case in cases:
        if case.spacing_mm is not None:
            found[case.id] = user_spacing(case.spacing_mm, case.magnification)
            continue
        try:
            path = dataset.root / case.image
            found[case.id] = read_radiograph(path, frame=case.frame, magnification=case.magnification).spacing
        except LandmarksError as error:
            found[case.id] = UNKNOWN
            faults.append(f"{case.id}: {error}")
    return found, faults
