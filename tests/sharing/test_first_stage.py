import json
import logging

import pytest
import torch

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.hourglass import OUTPUT, HourglassNet
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sharing.regions import region_settings, transferred


@pytest.mark.parametrize("other", [{"block": "bottleneck"}, {"depth": 3}, {"depth": 1}, {"width": 6}])
def test_a_first_stage_of_another_shape_is_refused(tmp_path, other):
    torch.save(HourglassNet(1, width=4, depth=2).state_dict(), tmp_path / "model.pt")
    taker = HourglassNet(3, **{"width": 4, "depth": 2, **other})
    with pytest.raises(ConfigError, match=r"model\.pt.*--width, --depth and --block, or --transfer False"):
        transferred(taker, tmp_path)


def test_all_but_the_output_is_taken(tmp_path):
    donor, taker = HourglassNet(1, width=4, depth=1), HourglassNet(3, width=4, depth=1)
    torch.save(donor.state_dict(), tmp_path / "model.pt")
    given, own = donor.state_dict(), transferred(taker, tmp_path).state_dict()
    assert all(torch.equal(own[name], given[name]) for name in own if not name.startswith(OUTPUT))
    with pytest.raises(ConfigError, match="train kneel_roi first"):
        transferred(taker, tmp_path / "nowhere")


def first_stage(folder, dataset):
    """The metadata a stage 1 leaves that was trained with this data set's splits."""
    own = {
        "scheme": Scheme(name="knee", landmarks=(Landmark(name="tibia_4"),)).model_dump(mode="json"),
        "settings": {"hourglass": {}, "decoder": {}, "sides": {"spacing_mm": 1.0}},
        "dataset": {"test_patients": dataset.test_digest()},
    }
    formats = {"inputs": {"image": {"spatial_shape": [64, 64]}}}
    (folder / "metadata.json").write_text(json.dumps({"monai_landmarks": own, "network_data_format": formats}))


def cases(*tested):
    scheme = Scheme(name="knee", landmarks=(Landmark(name="tibia_4"),))
    found = [
        Case(id=name, image=f"{name}.png", patient=name, side="R", split="test" if name in tested else "training")
        for name in ("P1", "P2", "P3")
    ]
    return LandmarkDataset(scheme=scheme, cases=found)


@pytest.mark.parametrize(
    ("dataset", "centre", "said"),
    [
        (cases("P3"), "tibia_4", ""),
        (cases("P1"), "tibia_4", "another test split"),
        (cases("P3"), "femur_9", "finds tibia_4"),
    ],
)
def test_a_first_stage_that_may_have_seen_the_test_patients_is_told(tmp_path, caplog, dataset, centre, said):
    first_stage(tmp_path, cases("P3"))
    with caplog.at_level(logging.WARNING):
        assert region_settings(tmp_path, dataset, centre)["spatial_size"] == [64, 64]
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def test_nothing_is_transferred_from_nowhere():
    with pytest.raises(ConfigError, match="--transfer False"):
        transferred(HourglassNet(3, width=4, depth=1), "")
