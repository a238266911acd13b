"""Several models as one file of weights."""

import json
import shutil

import pytest
import torch
from tiny_bundle import SETTINGS, write_run

from monai_landmarks.codecs.decode import likelihood_of
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import load_model
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.ensemble import LandmarkEnsemble
from monai_landmarks.sharing.bundles import read_metadata, settings_of
from monai_landmarks.sharing.ensembles import joined_settings, write_ensemble
from monai_landmarks.sharing.weights import trained_network


@pytest.fixture
def models(tmp_path, blobs):
    """Two models of one bundle, with other weights."""
    first = write_run(tmp_path / "run", blobs) / "bundle" / "models"
    second = tmp_path / "second"
    shutil.copytree(first, second)
    torch.manual_seed(1)
    torch.save(network_from(SETTINGS, 3).state_dict(), second / "model.pt")
    return [first, second]


def test_one_file_holds_the_mean_of_the_models(models, blobs, tmp_path):
    write_ensemble(models, tmp_path / "both", load_dataset(blobs))
    metadata = read_metadata(tmp_path / "both" / "metadata.json")
    settings = settings_of(metadata)
    network = trained_network(network_from(settings, 3), tmp_path / "both" / "model.pt", metadata).eval()
    members = [load_model(network_from(SETTINGS, 3), folder / "model.pt").eval() for folder in models]
    wanted = LandmarkEnsemble(members, likelihood_of(SETTINGS["decoder"])).eval()
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(image), wanted(image))
        assert not torch.equal(network(image), members[0](image))
    assert metadata["monai_landmarks"]["dataset"]["digest"] == load_dataset(blobs).digest()


def test_settings_of_each_network_are_kept():
    def two_stage(mean):
        region = {"hourglass": {"width": 8, "intensity": [mean + 1, 0.2]}, "decoder": {}, "spacing_mm": 1.0}
        own = {"hourglass": {"width": 8, "intensity": [mean, 0.2]}, "decoder": {"window": 8.0}}
        return {**own, "sides": {"spacing_mm": 0.3, "region": region}}

    joined = joined_settings([two_stage(0.3), two_stage(0.4)])
    assert [each["hourglass"]["intensity"][0] for each in joined["ensemble"]] == [0.3, 0.4]
    region = joined["sides"]["region"]
    assert [each["hourglass"]["intensity"][0] for each in region["ensemble"]] == [1.3, 1.4]
    assert region["spacing_mm"] == 1.0
    assert joined["decoder"] == {"window": 8.0}
    assert "region" not in joined["ensemble"][0].get("sides", {})


def test_the_region_finders_of_two_stages_become_one_too(models, blobs, tmp_path):
    for folder in models:
        shutil.copyfile(folder / "model.pt", folder / "roi.pt")
    write_ensemble(models, tmp_path / "both", load_dataset(blobs))
    regions = torch.load(tmp_path / "both" / "roi.pt", weights_only=True)
    assert {key.split(".")[1] for key in regions} == {"0", "1"}
    (models[1] / "roi.pt").unlink()
    with pytest.raises(ConfigError, match=r"no .*second/roi.pt"):
        write_ensemble(models, tmp_path / "both", load_dataset(blobs))


def test_models_that_differ_are_no_ensemble(models, blobs, tmp_path):
    metadata = read_metadata(models[1] / "metadata.json")
    metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] = [96, 96]
    (models[1] / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ConfigError, match="second: a model of other landmarks or another input size"):
        write_ensemble(models, tmp_path / "both", load_dataset(blobs))
    (models[1] / "metadata.json").unlink()
    with pytest.raises(ConfigError, match=r"no .*second/metadata.json"):
        write_ensemble(models, tmp_path / "both", load_dataset(blobs))


def test_models_with_a_fine_stage_are_not_averaged(models, blobs, tmp_path):
    for folder in models:
        metadata = json.loads((folder / "metadata.json").read_text())
        metadata["monai_landmarks"]["settings"] = {"one_shot": {}, "fine": {}}
        (folder / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ConfigError, match="fine stage are not averaged"):
        write_ensemble(models, tmp_path / "both", load_dataset(blobs))
    assert not (tmp_path / "both").exists()


def test_a_scope_is_what_any_model_has_seen(models, blobs, tmp_path):
    for folder, view in zip(models, ("AP", "PA")):
        metadata = read_metadata(folder / "metadata.json")
        metadata["monai_landmarks"]["scope"] = {"view": [view], "modality": ["DX"]} | (
            {"body_part": ["KNEE"]} if view == "AP" else {}
        )
        (folder / "metadata.json").write_text(json.dumps(metadata))
    write_ensemble(models, tmp_path / "both", load_dataset(blobs))
    scope = read_metadata(tmp_path / "both" / "metadata.json")["monai_landmarks"]["scope"]
    assert scope == {"view": ["AP", "PA"], "modality": ["DX"]}
