"""A model's predictions as one more reader's data set, ready for another tool's format."""

from __future__ import annotations

from pathlib import Path

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.json_documents import Node, load_json
from monai_landmarks.data.annotations.marks import Findings
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.image_files import ImageFolder
from monai_landmarks.data.table_cases import case_ids
from monai_landmarks.data.tables import scheme_of
from monai_landmarks.errors import DatasetError
from monai_landmarks.export.predictions import FORMAT, PRESENT_FROM, VERSION


def is_predictions(path: Path) -> bool:
    """Whether a JSON file calls itself predictions.

    Raises:
        DatasetError: it is no JSON.
    """
    value = load_json(path).value
    return isinstance(value, dict) and value.get("format") == FORMAT


def predicted_dataset(path: Path, images: Path | None = None) -> LandmarkDataset:
    """The data set of a predictions.json: the reader is the model, a landmark of low presence is absent.

    Args:
        path: the file.
        images: the folder that was predicted; without it the images are not looked for, and paths start at the file.

    Raises:
        DatasetError: with every fault of the file.
    """
    root = load_json(path)
    findings = Findings()
    folder = ImageFolder(images) if images else None
    cases: dict[tuple[str, int], Case] = {}
    names: list[str] = []
    with findings.at():
        if root["format"].value != FORMAT or root["version"].value != VERSION:
            raise Malformed(f"key format, version: must be {FORMAT} {VERSION}; written by another version?")
        reader = _reader(root["model"])
        for item in root["images"].members():
            with findings.at():
                names = names or list(item["points"].fields())
                _check_names(item["points"], names)
                case = _case(item, reader, folder)
                if (case.image, case.frame) in cases:
                    raise Malformed(f"key {item.path}.image: {case.image} is predicted twice")
                cases[case.image, case.frame] = case
    if not cases and not findings.faults:
        findings.faults.append("key images: is empty; nothing was predicted")
    if findings.faults:
        raise DatasetError(path, findings.faults)
    ids = case_ids(list(cases))
    named = [case.model_copy(update={"id": ids[key]}) for key, case in cases.items()]
    return LandmarkDataset(scheme=scheme_of(path.stem, names), cases=named, root=images or path.parent)


def _check_names(points: Node, names: list[str]) -> None:
    differing = sorted(set(names) ^ points.fields().keys())
    if differing:
        raise Malformed(
            f"key {points.path}: differs from the first image in {', '.join(differing)}; export the predictions of "
            "each model apart"
        )


def _reader(model: Node) -> str:
    version = model.get("version")
    return " ".join(part.text() for part in (model["bundle"], version) if part)


def _case(item: Node, reader: str, folder: ImageFolder | None) -> Case:
    image = item["image"].text()
    try:
        found = folder.find(image) if folder else image
    except LookupError as error:
        raise Malformed(str(error.args[0])) from None
    frame = item.get("frame")
    rows, columns = item["size"].members()
    annotation = Annotation(reader=reader)
    for name, point in item["points"].fields().items():
        fields = point.fields()
        if "presence" in fields and fields["presence"].value is None:
            # Not looked for: unlabelled.
            continue
        if point["presence"].number() < PRESENT_FROM:
            annotation.absent.append(name)
            continue
        x, y = point["xy"].members()
        annotation.points[name] = (x.number(), y.number())
        annotation.confidence[name] = point["confidence"].number()
    return Case(
        id=image,
        image=found,
        frame=frame.whole() if frame else 1,
        size=(rows.whole(), columns.whole()),
        annotations=[annotation],
    )
