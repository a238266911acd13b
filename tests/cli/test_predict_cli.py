import csv
import json
import math
import shutil
from pathlib import Path

import highdicom as hd
import pytest
from pydicom.sr.codedict import codes
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.cli.predict import parse_spacing
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.stream import ScopeError, check_scope
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError
from monai_landmarks.export import predictions
from monai_landmarks.export.predictions import file_stem
from monai_landmarks.sharing.bundles import copy_bundle, shipped_bundles

DICOM = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"
needs_samples = pytest.mark.skipif(
    not DICOM.is_dir(), reason="the public DICOM samples (../shared/data/dicom) are not here"
)
MEASUREMENTS = [
    {"kind": "distance", "name": "width", "between": ["bright_left", "bright_right"], "normal": [10, 20]},
    {"kind": "vertex_angle", "name": "corner", "points": ["bright_left", "middle", "bright_right"]},
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, blobs, quick_tracking):
    folder = copy_bundle("label_augmentation", tmp_path_factory.mktemp("predict") / "bundle")
    run_bundle(
        folder,
        "training",
        dataset_file=str(blobs),
        output_dir=str(folder / "eval"),
        max_epochs=1,
        longer_side=64,
        decoder_channels=[16, 16, 8, 8, 8],
        progress=False,
    )
    return folder


@pytest.fixture
def measuring(bundle, tmp_path, monkeypatch):
    """The bundle with measurements in its scheme; a network of one epoch believes in nothing, here it must."""
    monkeypatch.setattr(predictions, "PRESENT_FROM", 0.0)
    folder = tmp_path / "measuring"
    shutil.copytree(bundle, folder)
    path = folder / "models" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["monai_landmarks"]["scheme"]["measurements"] = MEASUREMENTS
    path.write_text(json.dumps(metadata))
    return folder


def predict(*arguments):
    return CliRunner().invoke(build_app(), ["predict", *map(str, arguments)])


def read(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file)), json.loads((folder / "predictions.json").read_text())


def test_a_folder_goes_on_past_what_it_cannot_use(bundle, blobs, tmp_path):
    export = tmp_path / "export"
    shutil.copytree(blobs.parent / "images", export / "sub")
    (export / "notes.txt").write_text("no image")
    (export / "broken.png").write_bytes((export / "sub" / "00.png").read_bytes()[:200])
    result = predict(bundle, export, "--output", tmp_path / "out", "--spacing", "0.5")
    assert result.exit_code == 1
    assert "14 predicted, 1 failed" in result.output, result.output
    assert "broken.png" in result.output
    rows, document = read(tmp_path / "out")
    assert len(rows) == 14 * 3
    assert [entry["image"] for entry in document["failed"]] == ["broken.png"]
    assert any(entry["image"] == "notes.txt" for entry in document["skipped"])
    assert document["model"]["trained_on"]["digest"] == load_dataset(blobs).digest()
    first = rows[0]
    assert first["image"] == "sub/00.png"
    assert first["spacing_plane"] == "user"
    assert float(first["x_mm"]) == pytest.approx(float(first["x"]) * 0.5, abs=1e-3)
    assert (tmp_path / "out" / "overlays" / "sub_00.png.png").is_file()


def test_without_spacing_there_are_no_millimetres(bundle, blobs, tmp_path):
    result = predict(bundle, blobs.parent / "images" / "00.png", "-o", tmp_path / "out", "--no-overlays")
    assert result.exit_code == 0
    rows, document = read(tmp_path / "out")
    assert {row["x_mm"] for row in rows} == {""}
    assert {row["spacing_plane"] for row in rows} == {"unknown"}
    assert document["images"][0]["spacing_mm"] is None
    assert not (tmp_path / "out" / "overlays").exists()


def test_nothing_usable_and_no_bundle(bundle, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    result = predict(bundle, tmp_path / "notes.txt", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "0 predicted" in result.output
    assert isinstance(predict(tmp_path, tmp_path, "-o", tmp_path / "out").exception, ConfigError)


@pytest.mark.parametrize(("name", "cards"), [("gpu", 2), ("cuda", 0), ("cuda:2", 2), ("mps", 2)])
def test_a_device_that_is_not_there_is_refused(tmp_path, monkeypatch, name, cards):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cards > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: cards)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    arguments = ["predict", str(shipped_bundles()["label_augmentation"]), str(tmp_path), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(build_app(), [*arguments, "--device", name])
    assert isinstance(result.exception, ConfigError)
    there = "cpu, cuda, cuda:0, cuda:1" if cards else "cpu"
    assert str(result.exception).endswith(f"--device {name}: not a device PyTorch has here; choose from {there}")


def test_scope():
    scope = {"modality": ["DX", "CR"], "body_part": ["PELVIS"], "view": []}
    check_scope({"modality": "dx", "body_part": "Pelvis", "view": "LAT"}, scope)
    check_scope({"modality": "", "body_part": ""}, scope)
    with pytest.raises(ScopeError, match="body part is HAND, the model was trained on PELVIS; use --out-of-scope"):
        check_scope({"modality": "DX", "body_part": "HAND"}, scope)


@pytest.mark.parametrize(("text", "spacing"), [(None, None), ("0.15", (0.15, 0.15)), ("0.1,0.2", (0.1, 0.2))])
def test_spacing_texts(text, spacing):
    assert parse_spacing(text) == spacing


@pytest.mark.parametrize("text", ["", "a", "0", "-1", "1,2,3", "nan"])
def test_wrong_spacing_texts(text):
    with pytest.raises(ConfigError, match="--spacing"):
        parse_spacing(text)


def test_file_names_are_made_of_image_names():
    assert file_stem("a b/../c:1") == "a_b_.._c_1"


@needs_samples
def test_lossless_syntaxes_of_one_image_give_equal_predictions(bundle, tmp_path):
    names = ("j2kLossless", "jpegLSlossless", "jpegLosslessSV1", "rle")
    files = [DICOM / f"hip_RG2_{name}.dcm" for name in names]
    # One folder an image: the files share their SOP instance, and a folder's duplicates are skipped.
    tables = []
    for file in files:
        result = predict(bundle, file, "-o", tmp_path / file.stem, "--no-overlays")
        assert result.exit_code == 0, result.output
        rows, document = read(tmp_path / file.stem)
        assert document["images"][0]["spacing_mm"] == [0.2, 0.2]
        tables.append([(row["landmark"], row["x"], row["y"], row["confidence"], row["presence"]) for row in rows])
    assert len(tables[0]) == 3
    assert all(table == tables[0] for table in tables)


@needs_samples
def test_images_out_of_scope_are_refused_unless_asked(bundle, tmp_path):
    other = tmp_path / "bundle"
    shutil.copytree(bundle, other)
    path = other / "models" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["monai_landmarks"]["scope"] = {"modality": ["CR", "DX"], "body_part": ["PELVIS"]}
    path.write_text(json.dumps(metadata))
    hand = DICOM / "hand_CR_j2kLossless_0.115mm.dcm"
    refused = predict(other, hand, "-o", tmp_path / "a", "--no-overlays")
    assert refused.exit_code == 1
    assert "body part is HAND" in refused.output
    assert predict(other, hand, "-o", tmp_path / "b", "--no-overlays", "--out-of-scope").exit_code == 0


def test_the_trained_model_may_lie_elsewhere(bundle, blobs, tmp_path):
    untrained = copy_bundle("label_augmentation", tmp_path / "bundle")
    shutil.copytree(bundle / "models", tmp_path / "models")
    images = blobs.parent / "images"
    outcome = predict(untrained, images, "--models", tmp_path / "models", "--output", tmp_path / "elsewhere")
    assert outcome.exit_code == 0, outcome.output
    predict(bundle, images, "--output", tmp_path / "usual")
    assert read(tmp_path / "elsewhere")[0] == read(tmp_path / "usual")[0]


def measured(folder):
    """Rows of measurements.csv by image and measurement."""
    with (folder / "measurements.csv").open(newline="") as file:
        return {(row["image"], row["measurement"]): row for row in csv.DictReader(file)}


def distance(rows, image, spacing):
    """Of the points bright_left and bright_right in predictions.csv."""
    (a, b) = [row for row in rows if row["image"] == image and row["landmark"].startswith("bright")]
    return math.hypot(*((float(a[k]) - float(b[k])) * s for k, s in zip("yx", spacing)))


def test_measurements_are_those_of_the_points(measuring, blobs, tmp_path):
    result = predict(measuring, blobs.parent / "images" / "00.png", "-o", tmp_path / "out", "--spacing", "0.5,0.25")
    assert result.exit_code == 0, result.output
    rows, document = read(tmp_path / "out")
    table = measured(tmp_path / "out")
    width = table["00.png", "width"]
    assert float(width["value"]) == pytest.approx(distance(rows, "00.png", (0.5, 0.25)), abs=2e-3)
    assert (width["unit"], width["spacing_plane"]) == ("mm", "user")
    assert (width["normal_low"], width["normal_high"], width["landmarks"]) == (
        "10.0",
        "20.0",
        "bright_left bright_right",
    )
    assert table["00.png", "corner"]["unit"] == "deg"
    assert [entry["name"] for entry in document["images"][0]["measurements"]] == ["width", "corner"]
    assert document["images"][0]["measurements"][0]["value"] == float(width["value"])


def test_lengths_without_spacing_are_in_pixels(measuring, blobs, tmp_path):
    predict(measuring, blobs.parent / "images" / "00.png", "-o", tmp_path / "out", "--no-overlays")
    width = measured(tmp_path / "out")["00.png", "width"]
    assert (width["unit"], width["normal_low"]) == ("px", "")
    assert float(width["value"]) == pytest.approx(distance(read(tmp_path / "out")[0], "00.png", (1, 1)), abs=2e-3)


def test_what_cannot_be_measured_has_its_reason(measuring, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "PRESENT_FROM", 2.0)
    predict(measuring, blobs.parent / "images" / "00.png", "-o", tmp_path / "out", "--no-overlays")
    width = measured(tmp_path / "out")["00.png", "width"]
    assert (width["value"], width["reason"]) == ("", "bright_left, bright_right are absent")


def test_measurements_have_an_uncertainty_where_the_models_errors_are_known(measuring, blobs, tmp_path):
    path = measuring / "models" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["monai_landmarks"]["errors_mm"] = {"bright_left": 1.5, "bright_right": 1.5}
    path.write_text(json.dumps(metadata))
    predict(measuring, blobs.parent / "images" / "00.png", "-o", tmp_path / "out", "--spacing", "0.5", "--no-overlays")
    # A distance between two independent ends.
    width = measured(tmp_path / "out")["00.png", "width"]
    assert float(width["uncertainty"]) == pytest.approx(1.5 * 2**0.5, rel=1e-2)


def test_a_scheme_without_measurements_gives_an_empty_table(bundle, blobs, tmp_path):
    predict(bundle, blobs.parent / "images" / "00.png", "-o", tmp_path / "out", "--no-overlays")
    assert measured(tmp_path / "out") == {}


def test_an_image_that_is_no_dicom_has_no_dicom_result_and_is_no_failure(bundle, blobs, tmp_path):
    image = blobs.parent / "images" / "00.png"
    result = predict(bundle, image, "-o", tmp_path / "out", "--no-overlays", "--dicom", "sr", "--dicom", "gsps")
    assert result.exit_code == 0, result.output
    assert "note    00.png: not a DICOM file: no DICOM results" in result.output
    assert not (tmp_path / "out" / "dicom").exists()
    assert read(tmp_path / "out")[1]["notes"] == [{"image": "00.png", "note": "not a DICOM file: no DICOM results"}]


def test_a_result_that_does_not_exist(bundle, tmp_path):
    result = predict(bundle, tmp_path, "-o", tmp_path / "out", "--dicom", "pdf")
    assert result.exit_code == 2
    assert "pdf" in result.output


@needs_samples
def test_magnification_shortens_what_is_measured(measuring, tmp_path):
    file = DICOM / "vet_DX_MONO1_8bit_INVERSE_anisotropicSpacing.dcm"
    widths = []
    for name, options in (("a", []), ("b", ["--magnification", "1.25"])):
        arguments = ["-o", tmp_path / name, "--no-overlays", "--out-of-scope", "--dicom", "sr", *options]
        assert predict(measuring, file, *arguments).exit_code == 0
        row = measured(tmp_path / name)[file.name, "width"]
        widths.append(float(row["value"]))
        report = hd.sr.srread(tmp_path / name / "dicom" / f"{file.name}.sr.dcm")
        assert spacing_of(report) == pytest.approx([v / (1.25 if options else 1) for v in (1.2, 1.201199999999)])
    assert widths[0] == pytest.approx(1.25 * widths[1], abs=1e-3)


def report_values(report):
    """Name, value and unit of what a report measures over the whole image."""
    (group,) = report.content.get_image_measurement_groups()
    return {m.name.value: (m.value, m.unit.value) for m in group.get_measurements()}


def spacing_of(report):
    values = report_values(report)
    keys = (codes.DCM.VerticalPixelSpacing.value, codes.DCM.HorizontalPixelSpacing.value)
    assert all(values[key][1] == "mm" for key in keys if key in values)
    return [values[key][0] for key in keys if key in values]


@pytest.mark.slow
@needs_samples
def test_dicom_results_of_real_files(measuring, tmp_path, dicom_errors):
    out = tmp_path / "out"
    kinds = ("sr", "gsps", "sc")
    options = [option for kind in kinds for option in ("--dicom", kind)]
    result = predict(measuring, DICOM, "--out-of-scope", "-o", out, "--no-overlays", *options)
    rows, document = read(out)
    assert f"{len(document['images'])} predicted, 0 failed" in result.output, result.output
    assert len(document["images"]) == 12
    for image in document["images"]:
        name = image["image"]
        allowed = dicom_errors(DICOM / name)
        for kind in kinds:
            assert dicom_errors(out / "dicom" / f"{name}.{kind}.dcm") <= allowed, (name, kind)
        report = hd.sr.srread(out / "dicom" / f"{name}.sr.dcm")
        points = {
            group.tracking_identifier: group.roi.value[0]
            for group in report.content.get_planar_roi_measurement_groups()
        }
        expected = {row["landmark"]: row for row in rows if row["image"] == name}
        assert points.keys() == expected.keys() == {"bright_left", "bright_right", "middle"}
        for landmark, (column, row) in points.items():
            assert column - 0.5 == pytest.approx(float(expected[landmark]["x"]), abs=1e-3)
            assert row - 0.5 == pytest.approx(float(expected[landmark]["y"]), abs=1e-3)
        value, unit = report_values(report)["measurement.width"]
        assert spacing_of(report) == pytest.approx(image["spacing_mm"] or [])
        assert unit == ("mm" if image["spacing_mm"] else "{pixels}")
        assert value == pytest.approx(distance(rows, name, image["spacing_mm"] or (1, 1)), abs=3e-3)
        if not image["spacing_mm"]:
            assert not any(unit == "mm" for _, unit in report_values(report).values())
    spacings = {image["image"]: image["spacing_mm"] for image in document["images"]}
    assert spacings["vet_DX_MONO1_8bit_INVERSE_anisotropicSpacing.dcm"] == [1.2, 1.201199999999]
    without = [name for name, spacing in spacings.items() if spacing is None]
    assert sorted(name.split("_")[0] for name in without) == ["chest", "leg", "leg"]
