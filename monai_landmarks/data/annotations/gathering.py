"""Several annotation files, of one or of several readers, become one data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monai_landmarks.data.annotations.importing import Imported, ImportOptions, import_annotations
from monai_landmarks.data.annotations.merging import merge_datasets
from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.discover import discover
from monai_landmarks.data.image_size import image_size
from monai_landmarks.data.table_cases import case_ids
from monai_landmarks.data.tables import spacing_pair
from monai_landmarks.errors import ConfigError


def import_several(
    paths: Sequence[Path], readers: Sequence[str], options: ImportOptions, base: LandmarkDataset | None = None
) -> tuple[LandmarkDataset, list[Imported]]:
    """Every file imported and merged; the root is the folder of the images.

    Args:
        paths: files, or folders of files.
        readers: who placed the points: nobody named, one for all files, or one for each.
        options: for every file; their `reader` is not used. Without a scheme a later file may add landmarks.
        base: a data set to add to.

    Raises:
        DatasetError: faults of a file, or files that contradict each other.
        ConfigError: another number of readers, or tables whose patients would be numbered apart.
    """
    if len(readers) not in (0, 1, len(paths)):
        raise ConfigError(f"--reader: {len(readers)} readers for {len(paths)} files; give one for all, or one each")
    names = list(readers) if len(readers) == len(paths) else [readers[0] if readers else None] * len(paths)
    parts = [import_annotations(path, replace(options, reader=name)) for path, name in zip(paths, names)]
    if len(parts) + (base is not None) > 1 and any(part.renumbered for part in parts):
        raise ConfigError(
            "patients of several tables would be numbered apart, and two people become one; put all rows into one "
            "table, or name the patients P0001, P0002, ... in each"
        )
    datasets, labels = [part.dataset for part in parts], [str(path) for path in paths]
    if base is not None:
        datasets, labels = [base.relocated(options.images), *datasets], ["the data set it is merged with", *labels]
    return merge_datasets(datasets, labels, extend=options.scheme is None), parts


def with_all_images(dataset: LandmarkDataset, options: ImportOptions) -> LandmarkDataset:
    """The data set with every other radiograph of the folder as a case that nobody has annotated.

    Args:
        dataset: just imported: its root is the folder of the images.
        options: as it was imported with.
    """
    suffix = f".{options.extension.lstrip('.').lower()}" if options.extension else ""
    used = {case.image for case in dataset.cases}
    found = [file.relative_to(dataset.root).as_posix() for file in discover([dataset.root]).files]
    others = [image for image in found if image not in used and image.lower().endswith(suffix)]
    spacing = None if options.spacing_mm is None else spacing_pair(options.spacing_mm)
    cases = [
        Case(id=name, image=image, size=image_size(dataset.root / image), spacing_mm=spacing)
        for (image, _), name in case_ids([(image, 1) for image in others]).items()
        if name not in options.leave_out
    ]
    return merge_datasets([dataset, dataset.model_copy(update={"cases": cases})], ["annotations", dataset.root])
