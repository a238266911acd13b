"""`monai-landmarks import`: annotation files and a folder of images become a data set file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.options import Origin, numbers, refuse_faults, refuse_overwriting, splits_line
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.annotations import Imported
    from monai_landmarks.data.dataset import LandmarkDataset
    from monai_landmarks.scheme import Scheme


class Units(StrEnum):
    """What a file's coordinates are in, where the format leaves it open."""

    PIXELS = "px"
    MILLIMETRES = "mm"


Sources = Annotated[
    list[Path], typer.Argument(metavar="ANNOTATIONS...", help="Files, or folders of files; one for each reader.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The data set file to write.")]
Images = Annotated[
    Path | None, typer.Option(help="Folder of the images, sub-folders included; with --merge not needed.")
]
FormatName = Annotated[
    str, typer.Option("--format", help="auto, or one of via, coco, labelme, cvat, slicer, isbi, pts, csv.")
]
Readers = Annotated[
    list[str] | None, typer.Option(help="Who placed the points: one name, or one for each of ANNOTATIONS.")
]
Landmarks = Annotated[
    str | None,
    typer.Option(help="Names in order: a,b,c, a file with a name a line, or a data set file. Others are faults."),
]
Merge = Annotated[Path | None, typer.Option(help="A data set file to add the annotations to.")]
SchemeName = Annotated[str | None, typer.Option(help="Name of the set of landmarks.")]
Spacing = Annotated[str | None, typer.Option(help="mm per pixel of all images: 0.3, or rows,columns 0.3,0.31.")]
SplitNames = Annotated[str | None, typer.Option(help="What a table's split names mean: train=training,test1=test.")]
Validation = Annotated[float | None, typer.Option(help="Move this share of the training patients to validation.")]
Seed = Annotated[int, typer.Option(help="Of the random choice for --validation.")]
OriginOption = Annotated[
    Origin | None,
    typer.Option(help="(0, 0) is the first pixel's centre, or its upper left corner; as the tool has it without."),
]
UnitsOption = Annotated[Units, typer.Option(help="Of .pts files, which do not say.")]
Extension = Annotated[str | None, typer.Option(help="Look only at image files that end so.")]
IgnoredColumns = Annotated[list[str] | None, typer.Option(help="Leave a table's column out; repeatable.")]
LeaveOut = Annotated[str | None, typer.Option(help="Cases not to import: 038,144.")]
AllImages = Annotated[
    bool, typer.Option("--all-images", help="Images of the folder without annotations become cases too.")
]
CopyImages = Annotated[bool, typer.Option("--copy-images", help="Copy them beside the data set file.")]
PatientMap = Annotated[
    Path | None, typer.Option(help="Write a table's patient,pseudonym here. It identifies people: keep it apart.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the output.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("import")(import_annotations)


def import_annotations(
    sources: Sources,
    output: Output,
    images: Images = None,
    format: FormatName = "auto",
    reader: Readers = None,
    landmarks: Landmarks = None,
    merge: Merge = None,
    scheme_name: SchemeName = None,
    spacing: Spacing = None,
    split_names: SplitNames = None,
    validation: Validation = None,
    seed: Seed = 0,
    origin: OriginOption = None,
    units: UnitsOption = Units.PIXELS,
    extension: Extension = None,
    ignore_column: IgnoredColumns = None,
    leave_out: LeaveOut = None,
    all_images: AllImages = False,
    copy_images: CopyImages = False,
    patient_map: PatientMap = None,
    force: Force = False,
) -> None:
    """Import landmarks from VIA, COCO, LabelMe, CVAT, 3D Slicer, BoneFinder, ISBI 2015 text or a CSV table.

    Every fault of a file is reported at once, with its line or key. Patients become P0001, P0002, ...
    """
    from monai_landmarks.data.annotations import ImportOptions, import_several, with_all_images
    from monai_landmarks.data.splits import hold_out
    from monai_landmarks.data.tables import unused_images

    refuse_overwriting(output, force)
    base = _base(merge, copy_images)
    options = ImportOptions(
        images=_folder(images, base),
        format=format,
        scheme=_scheme(landmarks, scheme_name, base),
        scheme_name=scheme_name,
        spacing_mm=None if spacing is None else numbers(spacing, "--spacing"),
        origin=origin.value if origin else None,
        units=units.value,
        extension=extension,
        leave_out=[name.strip() for name in (leave_out or "").split(",") if name.strip()],
        split_names=_mapping(split_names),
        ignore=tuple(ignore_column or ()),
    )
    dataset, imported = import_several(sources, reader or [], options, base)
    if all_images:
        dataset = with_all_images(dataset, options)
    unused = unused_images(dataset, extension)
    if validation is not None:
        dataset = hold_out(dataset, validation, seed)
    refuse_faults(dataset, " + ".join(map(str, sources)))
    if patient_map is not None:
        _write_patient_map(sources, imported, options.ignore, patient_map)
    dataset = _copied(dataset, output.parent) if copy_images else dataset.relocated(output.parent)
    dataset.save(output)
    _report(dataset, imported, output, unused, guessed=options.scheme is None)


def _base(merge: Path | None, copy_images: bool) -> LandmarkDataset | None:
    """The data set to add to."""
    from monai_landmarks.data.dataset import load_dataset

    if merge is None:
        return None
    if copy_images:
        raise ConfigError("--copy-images: copy them when the first data set is made, not when one is added to it")
    return load_dataset(merge)


def _folder(images: Path | None, base: LandmarkDataset | None) -> Path:
    """The folder of the images: what all images of the data set to add to have in common, unless it is named."""
    from monai_landmarks.data.image_files import common_folder

    if images is not None:
        return images
    if base is None:
        raise ConfigError("--images: name the folder of the images")
    return common_folder([base.root / case.image for case in base.cases])


def _scheme(landmarks: str | None, scheme_name: str | None, base: LandmarkDataset | None) -> Scheme | None:
    """The landmarks as far as they are known beforehand."""
    from monai_landmarks.data.annotations import landmark_list

    if landmarks is not None:
        return landmark_list(landmarks, scheme_name)
    return base.scheme if base else None


def _mapping(text: str | None) -> dict[str, str]:
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    wrong = [theirs for theirs, equals, _ in pairs if not equals]
    if wrong:
        raise ConfigError(f"--split-names: {wrong[0]!r} lacks its meaning; write {wrong[0]}=training")
    return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}


def _copied(dataset: LandmarkDataset, folder: Path) -> LandmarkDataset:
    """The data set with its images copied to `folder`/images, sub-folders kept."""
    for image in dict.fromkeys(case.image for case in dataset.cases):
        target = folder / "images" / image
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.samefile(dataset.root / image):
            continue
        shutil.copyfile(dataset.root / image, target)
    cases = [case.model_copy(update={"image": f"images/{case.image}"}) for case in dataset.cases]
    return dataset.model_copy(update={"cases": cases, "root": folder})


def _write_patient_map(
    sources: Sequence[Path], imported: Sequence[Imported], ignored: Sequence[str], target: Path
) -> None:
    from monai_landmarks.data.pseudonyms import write_pseudonyms
    from monai_landmarks.data.table_file import read_table

    if len(sources) > 1 or imported[0].format != "csv":
        raise ConfigError("--patient-map: only a single table names patients")
    write_pseudonyms(read_table(sources[0], ignore=tuple(ignored)), target)


def _report(
    dataset: LandmarkDataset, imported: Sequence[Imported], output: Path, unused: list[str], *, guessed: bool
) -> None:
    for note in (note for part in imported for note in part.notes):
        typer.echo(f"note: {note}")
    readers = ", ".join(dataset.readers) or "none"
    typer.echo(f"{output}: {len(dataset.cases)} cases, {len(dataset.names)} landmarks, readers: {readers}")
    typer.echo(f"splits: {splits_line(dataset)}")
    if guessed:
        paired = sum(landmark.pair is not None for landmark in dataset.scheme.landmarks) // 2
        typer.echo(f"left/right pairs: {paired}, guessed from the names; edit the file if that is wrong")
    if unused:
        typer.echo(
            f"{len(unused)} image(s) of the folder are not used: {', '.join(unused[:5])}{', ...' * (len(unused) > 5)}"
        )
    typer.echo(f"next: monai-landmarks check {output}")
