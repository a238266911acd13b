import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.cli.predict import parse_spacing
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.stream import ScopeError, check_scope
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError
from monai_landmarks.export.predictions import overlay_name
from monai_landmarks.sharing.bundles import copy_bundle

DICOM = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, blobs):
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


def test_overlay_names_are_file_names():
    assert overlay_name("a b/../c:1") == "a_b_.._c_1.png"


@pytest.mark.skipif(not DICOM.is_dir(), reason="the public DICOM samples (../shared/data/dicom) are not here")
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


@pytest.mark.skipif(not DICOM.is_dir(), reason="the public DICOM samples (../shared/data/dicom) are not here")
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
