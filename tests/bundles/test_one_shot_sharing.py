"""The one-shot bundle as it leaves the house: packed, checked, converted; and the sources' settings, with VGG19."""

import json
import zipfile

import numpy as np
import pytest
import torch
from bundle_checks import check_same, read_rows, weights
from bundle_runner import Runner
from PIL import Image
from tiny_bundle import write_evaluation
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.mutual import MutualOneShotNet
from monai_landmarks.networks.pair import one_shot_network
from monai_landmarks.networks.vgg import Vgg19Encoder
from monai_landmarks.sharing.bundles import describe_model, load_metadata
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.exports import TOLERANCE, export_models
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.pack import Labels, pack_bundle
from monai_landmarks.sharing.signing import make_keys
from monai_landmarks.sharing.verify import verify_bundle

KINDS = ["plain", "adapters"]
LABELS = Labels("Invented blobs.", name="blobs", version="1.0")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys") / "signer")


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory, blobs):
    """Of another model, invented: its numbers do not matter here."""
    folder = tmp_path_factory.mktemp("evaluation")
    write_evaluation(folder, load_dataset(blobs))
    return folder


@pytest.fixture(scope="module")
def models(one_shot, blobs, tmp_path_factory):
    """A folder of a trained model for each kind, with what a training leaves beside it."""
    dataset, metadata = load_dataset(blobs), load_metadata(one_shot.root)
    settings = metadata["monai_landmarks"]["settings"]
    settings["one_shot"] |= {"landmarks": 3, "adapter_channels": 2}
    trained = one_shot.root / "models"
    torch.manual_seed(0)
    network = one_shot_network(settings["one_shot"], 3, None, trained)
    for parameter in network.embedding.parameters():
        # Else the adapters would still do nothing.
        parameter.data += 0.02 * torch.randn_like(parameter)
    network.set_template(template_image(blobs), torch.tensor([[20.0, 45.0], [20.0, 16.0], [45.0, 32.0]]))
    folder = tmp_path_factory.mktemp("adapters")
    torch.save(network.state_dict(), folder / "model.pt")
    described = describe_model(one_shot.root, dataset, [64, 64], settings)
    (folder / "metadata.json").write_text(json.dumps(described))
    dataset.relocated(folder).save(folder / "pseudo_labels.json")
    return {"plain": trained, "adapters": folder, "fine": fine_model(one_shot, blobs, tmp_path_factory.mktemp("fine"))}


def fine_model(one_shot, blobs, folder):
    """A folder of the trained model with a fine stage whose heads have learnt nothing."""
    settings = load_metadata(one_shot.root)["monai_landmarks"]["settings"]
    settings["fine"] = {"coarse_size": [64, 64], "window": 32, "descriptor": 8, "dino": False}
    network = network_from(settings, 3)
    network.coarse.load_state_dict(weights(one_shot.root / "models" / "model.pt"))
    network.eval().set_template(template_image(blobs, 128), torch.tensor([[40.0, 90.0], [40.0, 32.0], [90.0, 64.0]]))
    torch.save(network.state_dict(), folder / "model.pt")
    described = describe_model(one_shot.root, load_dataset(blobs), [128, 128], settings)
    (folder / "metadata.json").write_text(json.dumps(described))
    return folder


@pytest.fixture(scope="module")
def packed(one_shot, models, evaluation, keys, blobs, tmp_path_factory):
    """The packed and signed file of each kind."""
    files = {kind: tmp_path_factory.mktemp("packed") / f"{kind}.zip" for kind in KINDS}
    for kind, file in files.items():
        sources = {"models": models[kind], "evaluation": evaluation, "dataset": blobs}
        pack_bundle(one_shot.root, file, LABELS, **sources, sign=keys[0])
    return files


def template_image(blobs, side=64):
    """The first radiograph as a network's input, a square."""
    with Image.open(blobs.parent / "images" / "00.png") as image:
        pixels = np.asarray(image.resize((side, side)), dtype=np.float32)
    return torch.from_numpy(pixels / 255)[None, None]


def command(*arguments):
    done = CliRunner().invoke(build_app(), [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.output


def states(path, key):
    return {check.name: (check.state, check.text) for check in verify_bundle(path, key)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_of_the_packed_file_passes(packed, keys, kind):
    found = states(packed[kind], keys[1])
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert found["network"][1] == "(1, 1, 64, 64) to (1, 3, 64, 64)"
    assert found["self-test"][1].startswith("3 of 3 landmarks")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_template_or_of_patients_is_in_it(packed, blobs, tmp_path, kind):
    with zipfile.ZipFile(packed[kind]) as archive:
        archive.extractall(tmp_path)
    bundle = tmp_path / "blobs"
    # No checkpoint, no tracking, and no pseudo-labels, which name every training image.
    assert [path.name for path in (bundle / "models").iterdir()] == ["model.pt"]
    state = weights(bundle / "models" / "model.pt")
    settings = load_metadata(bundle)["monai_landmarks"]["settings"]
    own = {key: tuple(value.shape) for key, value in state.items() if not key.startswith("embedding.")}
    assert own == {f"template_{scale}": (3, 8) for scale in range(5)} | {"template_offsets": (5, 3, 2)}
    assert state.keys() == network_from(settings, 3).state_dict().keys()
    files = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    images = [(blobs.parent / "images" / f"{number:02}.png").read_bytes() for number in range(14)]
    assert not set(images) & set(files.values())
    told = b"\n".join(content for path, content in files.items() if path.suffix != ".pt").decode(errors="replace")
    assert not [word for word in ("case00", "P0000", "maker", "00.png", str(blobs.parent)) if word in told]


def test_a_model_that_holds_its_templates_image_is_not_packed(one_shot, evaluation, blobs, tmp_path):
    metadata = load_metadata(one_shot.root)
    matching = {"size": [64, 64], "count": 3, "separation": 8}
    metadata["monai_landmarks"]["settings"]["matching"] = matching
    network = network_from(metadata["monai_landmarks"]["settings"], 3)
    assert isinstance(network, MutualOneShotNet)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(BundleError, match=r"models/model.pt: holds the radiograph of its template"):
        pack_bundle(one_shot.root, tmp_path / "out.zip", LABELS, models=tmp_path, evaluation=evaluation)
    assert not (tmp_path / "out.zip").exists()


def test_the_card_says_what_was_learned_from(packed):
    with zipfile.ZipFile(packed["plain"]) as archive:
        card = archive.read("blobs/docs/README.md").decode()
    assert "| learned from | the annotations of one image, the template; of all other images without theirs |" in card
    assert "| network | embeddings on efficientnet-lite0, input 64 x 64 |" in card
    assert "Split `test` of the data set blobs, with all annotations: 3 images" in card
    assert "No annotated image but the template had a part in its training" in card
    assert "one that an image does not show is found somewhere all the same" in card


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_predicts_and_proposes_what_the_folder_does(one_shot, models, packed, keys, blobs, tmp_path, kind):
    image = blobs.parent / "images" / "03.png"
    out = {"file": [packed[kind], "--key", keys[1]], "folder": [one_shot.root, "--models", models[kind]]}
    for name, (source, *more) in out.items():
        command("predict", source, image, "-o", tmp_path / name, "--no-overlays", *more)
    rows = {name: read_rows(tmp_path / name / "predictions.csv") for name in out}
    assert len(rows["file"]) == 3
    assert rows["file"] == rows["folder"]
    dataset = load_dataset(blobs)
    cases = [case.model_copy(update={"annotations": []}) for case in dataset.cases[3:4]]
    few = dataset.model_copy(update={"cases": cases}).relocated(tmp_path)
    few.save(tmp_path / "few.json")
    command("propose", packed[kind], tmp_path / "few.json", "-o", tmp_path / "proposed.json", "--key", keys[1])
    (annotation,) = load_dataset(tmp_path / "proposed.json").cases[0].annotations
    predicted = {row["landmark"]: (float(row["x"]), float(row["y"])) for row in rows["file"]}
    # Predictions outside the image are not proposed.
    assert annotation.points
    assert all(point == pytest.approx(predicted[name], abs=0.02) for name, point in annotation.points.items())


def test_another_template_for_a_packed_model(packed, keys, blobs, tmp_path):
    dataset = load_dataset(blobs)
    cases = [case.model_copy(update={"annotations": []}) if case.id != "case03" else case for case in dataset.cases]
    dataset.model_copy(update={"cases": cases}).relocated(tmp_path).save(tmp_path / "one.json")
    output = ["-o", tmp_path / "proposed.json", "--least-sure", 2]
    said = command("propose", packed["plain"], tmp_path / "one.json", *output, "--template", "case03", "--key", keys[1])
    assert "2 cases proposed, reader one_shot" in said
    proposed = [case for case in load_dataset(tmp_path / "proposed.json").cases if case.annotations]
    assert sorted(annotation.reader for case in proposed for annotation in case.annotations) == [
        "maker",
        "one_shot",
        "one_shot",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_logits_and_travels(one_shot, models, evaluation, keys, blobs, tmp_path, kind):
    """Converted, packed, compared by verify, and predicted by ONNX Runtime: the points are those of torch."""
    for name in ("model.pt", "metadata.json"):
        (tmp_path / name).write_bytes((models[kind] / name).read_bytes())
    image = blobs.parent / "images" / "03.png"
    done = export_models(one_shot.root, tmp_path, list(FORMATS), image=image)
    assert {entry.path.name for entry in done} == {"model.onnx", "model.pt2", "model.ts"}
    assert all(entry.relative <= TOLERANCE for entry in done)
    file = tmp_path / "blobs.zip"
    pack_bundle(one_shot.root, file, LABELS, models=tmp_path, evaluation=evaluation, sign=keys[0])
    found = states(file, keys[1])
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert found["onnx"][1].startswith("models/model.onnx as models/model.pt, logits differ by ")
    points = []
    for backend in ("torch", "onnxruntime"):
        arguments = ("-o", tmp_path / backend, "--key", keys[1], "--backend", backend, "--no-overlays")
        command("predict", file, image, *arguments)
        rows = read_rows(tmp_path / backend / "predictions.csv")
        points.append([[float(row[key]) for key in ("x", "y", "confidence")] for row in rows])
    assert np.abs(np.subtract(*points)).max() < 0.01


@pytest.mark.slow
def test_a_model_with_a_fine_stage_is_not_exported(one_shot, models, blobs):
    with pytest.raises(ConfigError, match=r"model\.onnx: this network cannot be exported"):
        export_models(one_shot.root, models["fine"], ["onnx"], image=blobs.parent / "images" / "03.png")


@pytest.fixture(scope="module")
def vgg19(tmp_path_factory):
    """Random numbers under the names torchvision publishes, with the classifier that the encoder has no use for."""
    torch.manual_seed(1)
    state = Vgg19Encoder().state_dict()
    path = tmp_path_factory.mktemp("vgg") / "vgg19-dcbb9e9d.pth"
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}, path)
    return path


SMALL_VGG = {"spatial_size": "[64,64]", "patch": 32, "decoder_channels": "[8,8,8,8]", "max_epochs": 1}
VGG = {**SMALL_VGG, "batch_size": 4, "progress": False, "encoder": "vgg19"}


def test_the_sources_settings_train_on_vgg19(one_shot, blobs, vgg19, tmp_path):
    runner = Runner(one_shot.root, blobs, VGG)
    folders = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    runner("training", ("train", "published"), encoder_weights=vgg19, **folders)
    state = weights(tmp_path / "models" / "model.pt")
    prefix = "embedding.encoder."
    encoder = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    given = {key: value for key, value in weights(vgg19).items() if not key.startswith("classifier.")}
    check_same(encoder, given)
    signature = json.dumps(weights(tmp_path / "models" / "checkpoint.pt")["signature"])
    assert "StepLR" in signature
    # The path would name a folder of this computer.
    assert str(tmp_path) not in (tmp_path / "models" / "metadata.json").read_text()
    settings = load_metadata(one_shot.root, tmp_path / "models")["monai_landmarks"]["settings"]["one_shot"]
    assert (settings["encoder"], settings["frozen"], settings["embedding"]) == ("vgg19", True, 64)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere/vgg19.pth", "encoder_weights: no file nowhere/vgg19.pth; give a state dict's path"),
        ("package", "encoder_weights: no package ships weights for vgg19"),
    ],
)
def test_vgg19_without_its_weights_is_a_clear_error(one_shot, blobs, tmp_path, given, said):
    runner = Runner(one_shot.root, blobs, VGG)
    with pytest.raises(AssertionError, match=said):
        runner("training", ("train", "published"), encoder_weights=given, ckpt_dir=tmp_path, output_dir=tmp_path)
    assert not (tmp_path / "model.pt").exists()
