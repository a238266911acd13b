"""Every format on the simulated data set: out, in, and the points are the same to a thousandth of a pixel."""

import numpy as np
import pytest

from monai_landmarks.data.annotations import FORMATS, ImportOptions, export_annotations, import_annotations
from monai_landmarks.data.dataset import Annotation, LandmarkDataset
from monai_landmarks.errors import ConfigError

WRITTEN = [name for name, fmt in FORMATS.items() if fmt.write]
TOLERANCE = 1e-3


def there_and_back(dataset: LandmarkDataset, name: str, folder, **options):
    written = export_annotations(dataset, name, folder, **options)
    scheme = None if name in ("via", "coco", "cvat", "slicer", "csv") else dataset.scheme
    reader = None if name == "csv" else "simulator"
    imported = import_annotations(
        folder, ImportOptions(images=dataset.root / "images", scheme=scheme, reader=reader, **options)
    )
    return written, imported


def largest_error(before: Annotation, after: Annotation) -> float:
    assert set(before.points) == set(after.points)
    return max(float(np.abs(np.subtract(before.points[name], after.points[name])).max()) for name in before.points)


@pytest.mark.parametrize("name", WRITTEN)
def test_points_come_back(name, simulated, tmp_path):
    written, imported = there_and_back(simulated, name, tmp_path / "out")
    assert imported.format == name
    assert all(path.is_file() for path in written.files)
    back = {case.id: case for case in imported.dataset.cases}
    complete = [c for c in simulated.cases if name != "isbi" or len(c.annotations[0].points) == len(simulated.names)]
    assert set(back) == {case.id for case in complete}
    for case in complete:
        (before,), (after,) = case.annotations, back[case.id].annotations
        assert largest_error(before, after) < TOLERANCE
        assert after.reader == "simulator"
        assert back[case.id].size == case.size
        assert after.absent == (before.absent if "absent" in FORMATS[name].holds else [])
    said = " ".join(written.notes)
    assert ("absent landmarks" in said) == ("absent" not in FORMATS[name].holds)
    assert ("name the reader" in said) == (name != "csv")
    assert set(imported.dataset.names) == set(simulated.names)


@pytest.mark.parametrize("name", [name for name in WRITTEN if FORMATS[name].origin])
def test_origins_are_half_a_pixel_apart_and_come_back(name, simulated, tmp_path):
    for origin in ("centre", "corner"):
        _, imported = there_and_back(simulated, name, tmp_path / origin, origin=origin)
        case = imported.dataset.cases[-1]
        before = next(c for c in simulated.cases if c.id == case.id)
        assert largest_error(before.annotations[0], case.annotations[0]) < TOLERANCE
    crossed = import_annotations(
        tmp_path / "corner",
        ImportOptions(images=simulated.root / "images", scheme=simulated.scheme, origin="centre"),
    )
    after = next(c for c in crossed.dataset.cases if c.id == before.id).annotations[0]
    for landmark, (x, y) in before.annotations[0].points.items():
        assert after.points[landmark] == pytest.approx((x + 0.5, y + 0.5), abs=TOLERANCE)


def test_order_of_landmarks_comes_from_the_file(simulated, tmp_path):
    for name in ("via", "coco", "cvat", "slicer", "csv"):
        _, imported = there_and_back(simulated, name, tmp_path / name)
        assert imported.dataset.names == simulated.names, name


def test_a_table_keeps_what_others_lose(simulated, tmp_path):
    dataset = simulated.model_copy(deep=True)
    dataset.cases[0].spacing_mm, dataset.cases[0].magnification = (0.2, 0.3), 1.1
    dataset.cases[1].attributes |= {"kl_grade": 2, "file": "a table would misread it", "list": [1]}
    dataset.cases[0].annotations.append(Annotation(reader="junior", points={dataset.names[2]: (1.5, 2.5)}))
    written = export_annotations(dataset, "csv", tmp_path / "out", reader="all")
    imported = import_annotations(written.files[0], ImportOptions(images=dataset.root / "images"))
    first, second = imported.dataset.cases
    assert (first.spacing_mm, first.magnification) == ((0.2, 0.3), 1.1)
    for before, after in zip(dataset.cases, (first, second)):
        assert (after.split, after.patient, after.side) == (before.split, before.patient, before.side)
    assert second.attributes["kl_grade"] == 2
    assert "file" not in second.attributes
    assert any("the attributes file, list" in note for note in written.notes)
    assert [a.reader for a in first.annotations] == ["simulator", "junior"]
    assert first.annotations[1].points == {dataset.names[2]: (1.5, 2.5)}


def test_points_in_millimetres_leave_no_origin_open(simulated, tmp_path):
    with pytest.raises(ConfigError, match="nothing is left open"):
        export_annotations(simulated, "slicer", tmp_path, origin="corner")
    export_annotations(simulated, "slicer", tmp_path)
    with pytest.raises(ConfigError, match="nothing is left open"):
        import_annotations(tmp_path, ImportOptions(images=simulated.root / "images", origin="centre"))
