"""Packed files of networks that see one knee at a time: one stage, two stages with models/roi.pt, hourglasses."""

import csv
import json
import pickle
import shutil
import zipfile

import onnx
import pytest
import torch
from tiny_bundle import changed, write_run
from tiny_kneel import CENTRE, NETWORK, ONE_STAGE, REGION, TWO_STAGES, knees_dataset, random_weights, write_kneel_run
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.engines.onnx_network import weights_digest
from monai_landmarks.errors import find_cause
from monai_landmarks.sharing.archive import opened_bundle
from monai_landmarks.sharing.bundles import load_metadata, shipped_bundles
from monai_landmarks.sharing.ensembles import write_ensemble
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.exports import export_models, exportable_networks, prepared_image
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.metadata import check_metadata
from monai_landmarks.sharing.pack import Labels, pack_bundle
from monai_landmarks.sharing.safe_config import check_config
from monai_landmarks.sharing.verify import verify_bundle
from monai_landmarks.simulate.dataset import simulate_case

LABELS = Labels("Simulated knees.", name="knees", version="1.0")
UNET = {
    "backbone": "efficientnet-lite0",
    "decoder_channels": [8, 8, 8, 8, 8],
    "test_time_mirror": False,
    "decoder": {"likelihood": "Categorical", "window": 8.0},
}


@pytest.fixture(scope="module")
def kneel_run(tmp_path_factory):
    """A two-stage model with its evaluation. Do not change it."""
    return write_kneel_run(tmp_path_factory.mktemp("kneel"))


@pytest.fixture(scope="module")
def two_stages(kneel_run, keys, tmp_path_factory):
    """It, packed and signed."""
    target = tmp_path_factory.mktemp("packed") / "knees-1.0.zip"
    pack_bundle(kneel_run, target, LABELS, sign=keys[0])
    return target


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory):
    """A DICOM file of both knees."""
    folder = tmp_path_factory.mktemp("radiographs")
    case = simulate_case(folder, "knees-radiograph", seed=0, index=2)
    assert case.side == "both"
    return folder / case.image.split("/")[-1]


@pytest.fixture
def copy(kneel_run, tmp_path):
    """The run, for a test to change."""
    return shutil.copytree(kneel_run, tmp_path / "copy")


def command(*arguments):
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def states(path, key=None):
    return {check.name: (check.state, check.text) for check in verify_bundle(path, key)}


def rows(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def refuse(path, reason):
    with pytest.raises(BundleError, match=reason), opened_bundle(path):
        pass


def test_every_check_of_the_packed_file_passes(two_stages, keys):
    found = states(two_stages, keys[1])
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert found["network"][1] == "(1, 1, 64, 64) to (1, 16, 16, 16)"
    assert found["self-test"][1].startswith("32 of 32 landmarks")


def test_one_file_holds_both_stages(two_stages):
    with zipfile.ZipFile(two_stages) as archive:
        names = {name.removeprefix("knees/") for name in archive.namelist()}
        metadata = json.loads(archive.read("knees/configs/metadata.json"))
        card = archive.read("knees/docs/README.md").decode()
        expected = json.loads(archive.read("knees/selftest/expected.json"))
    assert {name for name in names if name.startswith("models/")} == {"models/model.pt", "models/roi.pt"}
    own = metadata["monai_landmarks"]
    assert own["settings"] == TWO_STAGES
    assert own["errors_mm"].keys() == set(knees_dataset().names)
    assert "finds | 32 landmarks" in card
    assert "hourglass of width 4, in two stages, input 64 x 64" in card
    assert "| tibia_4_left |" in card
    assert (expected["preset"], expected["spacing_mm"], expected["side"]) == ("knees-radiograph", 0.28, "both")


def test_it_predicts_both_knees_of_a_radiograph(two_stages, kneel_run, keys, radiograph, tmp_path):
    done = command("predict", two_stages, radiograph, "-o", tmp_path / "a", "--key", keys[1])
    assert done.exit_code == 0, done.output
    found = rows(tmp_path / "a")
    assert [row["landmark"] for row in found] == list(knees_dataset().names)
    places = {row["landmark"]: float(row["x"]) for row in found}
    assert all(places[f"{CENTRE}_right"] < places[name] for name in places if name.endswith("_left"))
    assert command("predict", kneel_run / "bundle", radiograph, "-o", tmp_path / "b").exit_code == 0
    assert rows(tmp_path / "b") == found


def replaced(content):
    return lambda bundle: (bundle / "models" / "roi.pt").write_bytes(content)


def test_a_changed_byte_of_the_first_stage(two_stages, tmp_path):
    def edit(bundle):
        path = bundle / "models" / "roi.pt"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    refuse(changed(two_stages, tmp_path, edit, renew=False), "models/roi.pt: was changed")


class Runs:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.mark),)


def test_a_pickle_in_the_first_stage(two_stages, tmp_path):
    mark = tmp_path / "it ran"
    bare = changed(two_stages, tmp_path / "a", replaced(pickle.dumps(Runs(mark))))
    refuse(bare, "models/roi.pt: is no file of weights as torch.save writes it")
    within = changed(
        two_stages, tmp_path / "b", lambda bundle: torch.save({"a": Runs(mark)}, bundle / "models" / "roi.pt")
    )
    refuse(within, "models/roi.pt: holds a pickle of something other than tensors")
    assert not mark.exists()


def test_the_first_stage_is_missing(two_stages, copy, tmp_path):
    path = changed(two_stages, tmp_path, lambda bundle: (bundle / "models" / "roi.pt").unlink())
    refuse(path, "models/roi.pt: is missing: configs/metadata.json tells of two stages")
    assert states(path)["weights"][0] == "failed"
    (copy / "bundle" / "models" / "roi.pt").unlink()
    with pytest.raises(BundleError, match=r"models/roi.pt: is missing"):
        pack_bundle(copy, tmp_path / "out.zip", LABELS)


def test_a_first_stage_that_nobody_needs(packed, run, kneel_run, tmp_path):
    weights = kneel_run / "bundle" / "models" / "roi.pt"
    path = changed(packed, tmp_path, replaced(weights.read_bytes()))
    refuse(path, "models/roi.pt: belongs to no model: configs/metadata.json tells of one stage")
    copied = shutil.copytree(run, tmp_path / "run")
    shutil.copy(weights, copied / "bundle" / "models")
    with pytest.raises(BundleError, match=r"models/roi.pt: belongs to no model"):
        pack_bundle(copied, tmp_path / "out.zip", Labels("Invented.", name="tiny", version="1.0"))


def test_another_first_stage_fails_the_self_test(two_stages, tmp_path):
    other = random_weights(REGION, 1, 7)
    path = changed(two_stages, tmp_path, lambda bundle: torch.save(other, bundle / "models" / "roi.pt"))
    found = states(path)
    assert found["network"][0] == "ok"
    assert found["self-test"][0] == "failed"
    assert "px of the network's input from where its sender found it" in found["self-test"][1]


def test_a_first_stage_of_another_shape_fails(two_stages, tmp_path):
    other = random_weights({**REGION, "hourglass": {**REGION["hourglass"], "width": 6}}, 1, 0)
    path = changed(two_stages, tmp_path, lambda bundle: torch.save(other, bundle / "models" / "roi.pt"))
    assert states(path)["self-test"][0] == "failed"


INFERENCE = shipped_bundles()["kneel_landmarks"] / "configs" / "inference.yaml"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("$@ckpt_dir + '/roi.pt'", "//server/share/roi.pt", r"region_checkpoint must be .*@ckpt_dir \+ '/roi.pt'"),
        ("$@ckpt_dir + '/roi.pt'", "$@ckpt_dir + '/../selftest/radiograph.png'", "region_checkpoint must be"),
        ("region_network(@metadata, @region_checkpoint)", "region_network(@metadata, '/x.pt')", "region_network must"),
        ("region_settings: $regions", "a: $regions.region_network(@metadata, '/x')\nb: $regions", "opens files"),
        ("region_settings: $regions", "a: $regions.transferred(@network_def, '/x')\nb: $regions", "allowed calls"),
        ("network: '@region_network'", "network: '@network_def'", "network must be"),
        ("spacing_mm: '@spacing_mm'", "spacing_mm: $@settings['sides']['spacing_mm']", "spacing_mm must be"),
        ("spacing_mm: null", "spacing_mm: $@settings['sides']['spacing_mm']", "spacing_mm must be"),
        ("side: null", "side: both", "side must be None or '@side'"),
        ("side: '@side'", "side: L", "side must be"),
        ("region_stage:", "region_stage#spacing_mm: 0.1\nregion_stage:", "region_stage#spacing_mm must be"),
    ],
)
def test_configs_that_look_elsewhere(tmp_path, old, new, reason):
    text = INFERENCE.read_text()
    assert old in text
    path = tmp_path / "inference.yaml"
    path.write_text(text)
    check_config(path, "configs/inference.yaml")
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BundleError, match=reason):
        check_config(path, "configs/inference.yaml")


def test_such_a_config_is_refused_in_a_packed_file(two_stages, tmp_path):
    def edit(bundle):
        path = bundle / "configs" / "inference.yaml"
        path.write_text(path.read_text().replace("$@ckpt_dir + '/roi.pt'", "/srv/roi.pt"))

    refuse(changed(two_stages, tmp_path, edit), "configs/inference.yaml, top level: region_checkpoint must be")


def test_imports_that_are_added_are_judged(tmp_path):
    path = tmp_path / "more.yaml"
    path.write_text("+imports: [$import torch]")
    check_config(path, "configs/more.yaml")
    for text in ("+imports: [$import os]", "+imports: $import torch", "a: {+imports: [$import torch]}", "+other: [1]"):
        path.write_text(text)
        with pytest.raises(BundleError):
            check_config(path, "configs/more.yaml")


def settings_of(kneel_run, **changes):
    document = load_metadata(kneel_run / "bundle")
    document["intended_use"], document["eval_metrics"] = "Research.", {}
    settings = document["monai_landmarks"]["settings"]
    for place, value in changes.items():
        *above, last = place.split("__")
        part = settings
        for key in above:
            part = part[key]
        part[last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("hourglass__width", "24", r"hourglass.width: Input should be a valid integer"),
        ("hourglass__width", 10**6, r"hourglass.width: Input should be less than"),
        ("hourglass__depth", 30, r"hourglass.depth"),
        ("hourglass__block", "eval", r"hourglass.block"),
        ("hourglass__intensity", [0.5], r"hourglass.intensity"),
        ("hourglass__landmarks", 3, r"hourglass.landmarks: Extra inputs are not permitted"),
        ("sides", None, r"sides: Input should be"),
        ("sides__spacing_mm", 0.0, r"sides.spacing_mm"),
        ("sides__spacing_mm", [0.1, 0.1], r"sides.spacing_mm"),
        ("sides__centre", "ankle", r"sides.centre 'ankle' is none of the landmarks"),
        ("sides__region", {}, r"sides.region.hourglass: Field required"),
        ("sides__region__spatial_size", [64, 10**9], r"sides.region.spatial_size.1"),
        ("ensemble", [{"hourglass": {}}], r"ensemble.0.hourglass.width: Field required"),
    ],
)
def test_settings_of_an_hourglass_are_checked(kneel_run, place, value, reason):
    check_metadata(settings_of(kneel_run))
    with pytest.raises(BundleError, match=reason):
        check_metadata(settings_of(kneel_run, **{place: value}))


def test_the_scheme_of_a_sided_network_is_one_limbs(kneel_run):
    document = settings_of(kneel_run)
    scheme = document["monai_landmarks"]["scheme"]
    scheme |= {"groups": {}, "measurements": []}
    for landmark in scheme["landmarks"][:2]:
        landmark["name"] += "_left"
    with pytest.raises(BundleError, match=r"settings.sides: scheme knees-radiograph: limbs need"):
        check_metadata(document)


def test_each_stage_is_exported_from_its_own_weights(kneel_run, radiograph):
    bundle = kneel_run / "bundle"
    models = bundle / "models"
    parts = {part.stem.name: part for part in exportable_networks(models, load_metadata(bundle))}
    assert {name: (part.weights, part.view) for name, part in parts.items()} == {
        "model": ("model.pt", (64, 64, 2.0)),
        "roi": ("roi.pt", (128, 64, 4.0)),
    }
    assert all(part.digest == weights_digest(models / part.weights) for part in parts.values())
    for name, part in parts.items():
        image = prepared_image(bundle, models, radiograph, "", part.view)
        assert image.shape == (1, 1, *part.view[:2])
        assert (float(image.min()), float(image.max())) == (0, 1)
        with torch.no_grad():
            assert part.network(image).shape == (1, 1 if name == "roi" else 16, *(side // 4 for side in part.view[:2]))


@pytest.mark.slow
def test_both_stages_run_by_onnx_runtime(copy, keys, radiograph, tmp_path):
    """Converted, packed, compared by verify, and predicted: both networks replaced, the points those of torch."""
    models = copy / "bundle" / "models"
    done = export_models(copy / "bundle", models, list(FORMATS), image=radiograph)
    assert {entry.path.name for entry in done} == {
        f"{stem}{suffix}" for stem in ("model", "roi") for suffix in (".onnx", ".pt2", ".ts")
    }
    packed = tmp_path / "knees.zip"
    pack_bundle(copy, packed, LABELS, sign=keys[0])
    value = onnx.load(models / "model.onnx").graph.output[0].type.tensor_type.shape
    assert [dim.dim_param or dim.dim_value for dim in value.dim] == ["batch", 16, "map_rows", "map_columns"]
    text = states(packed, keys[1])["onnx"][1]
    assert text.startswith("models/model.onnx, models/roi.onnx as models/model.pt and models/roi.pt, logits differ by ")
    found = []
    for backend in ("torch", "onnxruntime"):
        out = tmp_path / backend
        arguments = ("--key", keys[1], "--backend", backend, "--no-overlays")
        assert command("predict", packed, radiograph, "-o", out, *arguments).exit_code == 0
        found.append(torch.tensor([[float(row[key]) for key in ("x", "y", "presence")] for row in rows(out)]))
    assert found[0].shape == (32, 3)
    assert torch.equal(found[0].isnan(), found[1].isnan())
    assert float((found[0] - found[1]).abs().amax()) < 0.01

    other = random_weights(REGION, 1, 7)

    def exchange(bundle):
        torch.save(other, bundle / "models" / "roi.pt")

    state, text = states(changed(packed, tmp_path / "changed", exchange))["onnx"]
    assert state == "failed"
    assert "roi.onnx was not made from the roi.pt beside it" in text
    (models / "roi.onnx").unlink()
    missing = command("predict", copy / "bundle", radiograph, "-o", tmp_path / "c", "--backend", "onnxruntime")
    assert "roi.onnx; make it with `monai-landmarks convert" in str(find_cause(missing.exception))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one stage", "sided unet", "ensemble"])
def test_other_models_of_one_limb_pass_every_check(kind, tmp_path):
    if kind == "one stage":
        run = write_kneel_run(tmp_path / "run", "kneel_roi", ONE_STAGE)
    elif kind == "sided unet":
        run = write_kneel_run(tmp_path / "run", settings={**UNET, "sides": TWO_STAGES["sides"]})
    else:
        run = write_kneel_run(tmp_path / "run")
        models = run / "bundle" / "models"
        first = shutil.copytree(models, tmp_path / "first")
        write_ensemble([first, first], models, knees_dataset())
    pack_bundle(run, tmp_path / "knees.zip", LABELS)
    found = states(tmp_path / "knees.zip")
    assert {state for state, _ in found.values()} == {"ok"}, found


@pytest.mark.slow
def test_an_hourglass_for_whole_images_passes_every_check(blobs, tmp_path):
    run = write_run(tmp_path / "run", blobs, NETWORK)
    weights = random_weights(NETWORK, 3, 0)
    torch.save(weights, run / "bundle" / "models" / "model.pt")
    pack_bundle(run, tmp_path / "tiny.zip", LABELS)
    found = states(tmp_path / "tiny.zip")
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert found["network"][1] == "(1, 1, 64, 64) to (1, 3, 16, 16)"
