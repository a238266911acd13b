import pytest
import torch

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.hourglass import HourglassNet
from monai_landmarks.sharing.regions import transferred


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
    assert all(torch.equal(own[name], given[name]) for name in own if not name.startswith("output."))
    with pytest.raises(ConfigError, match="train kneel_roi first"):
        transferred(taker, tmp_path / "nowhere")
