"""What a format does not hold of a data set, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monai_landmarks.data.annotations.marks import Format
from monai_landmarks.data.annotations.table import lost_attributes, retyped_attributes
from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.formats import sniff

# Trait -> whether a case has it, and what is lost then.
CASE_TRAITS: dict[str, tuple[Callable[[Case], object], str]] = {
    "absent": (lambda c: any(a.absent for a in c.annotations), "absent landmarks, which become unlabelled"),
    "confidence": (lambda c: any(a.confidence for a in c.annotations), "confidence"),
    "splits": (lambda c: c.split, "splits"),
    "patients": (lambda c: c.patient, "patients"),
    "sides": (lambda c: c.side, "sides"),
    "spacing": (lambda c: c.spacing_mm or c.magnification, "spacing and magnification given by hand"),
    "polarity": (lambda c: c.polarity != "auto", "polarity given by hand"),
    "attributes": (lambda c: c.attributes, "attributes"),
}


def losses(dataset: LandmarkDataset, fmt: Format, reader: str, png: bool = False) -> list[str]:
    """What the data set has and the files of this format will not, in sentences."""
    lost = [
        f"{what} ({count} case(s))"
        for trait, (has, what) in CASE_TRAITS.items()
        if trait not in fmt.holds and (count := sum(bool(has(case)) for case in dataset.cases))
    ]
    odd = lost_attributes(dataset) if "attributes" in fmt.holds else []
    if odd:
        lost.append(f"the attributes {', '.join(odd)}, which a table would misread")
    sentences = [f"{fmt.name} files do not hold {', '.join(lost)}"] if lost else []
    retyped = retyped_attributes(dataset) if "attributes" in fmt.holds else []
    if retyped:
        sentences.append(
            f"a table does not tell texts from numbers: of the attributes {', '.join(retyped)}, texts that look like "
            "numbers come back as numbers ('007' as 7), and numbers among other texts as texts"
        )
    return [
        *sentences,
        *_about_scheme(dataset, fmt),
        *_about_readers(dataset, fmt, reader),
        *([] if png else _about_dicom(dataset, fmt)),
    ]


def _about_scheme(dataset: LandmarkDataset, fmt: Format) -> list[str]:
    scheme = dataset.scheme
    parts = {
        "left/right pairs": any(landmark.pair for landmark in scheme.landmarks),
        "descriptions and colours": any(landmark.description or landmark.colour for landmark in scheme.landmarks),
        "groups": scheme.groups,
        "measurements": scheme.measurements,
    }
    lost = [what for what, there in parts.items() if there]
    said = [f"{fmt.name} files do not hold the scope of the data set"] if dataset.scope else []
    if lost:
        said.append(
            f"of the landmarks, {fmt.name} files do not hold {', '.join(lost)}; "
            "on import, --landmarks with the data set file brings them back"
        )
    return said


def _about_readers(dataset: LandmarkDataset, fmt: Format, reader: str) -> list[str]:
    readers = dataset.readers
    said = []
    if reader == "mean" and len(readers) > 1:
        said.append(f"the mean of {', '.join(readers)} is written; --reader NAME writes one of them, --reader all each")
    written = [name for name in readers if reader in ("mean", "all", name)]
    if len(written) < len(readers):
        said.append(f"not written: the points of {', '.join(name for name in readers if name not in written)}")
    if "readers" not in fmt.holds and written:
        said.append(f"{fmt.name} files do not name the reader ({', '.join(written)}); say it with --reader on import")
    return said


def _about_dicom(dataset: LandmarkDataset, fmt: Format) -> list[str]:
    if fmt.opens_dicom:
        return []
    files = {dataset.root / case.image for case in dataset.cases}
    if not any(_is_dicom(path) for path in files):
        return []
    return [
        f"{fmt.tool} does not show DICOM files: `monai-landmarks pictures` makes PNG copies, and --png names those; "
        "on import they are matched with the DICOM files by name"
    ]


def _is_dicom(path: Path) -> bool:
    return path.is_file() and sniff(path) == "DICOM"
