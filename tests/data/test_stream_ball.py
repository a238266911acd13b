"""A marker ball's spacing: where it counts, and where the file knows better."""

import numpy as np
import pytest
from monai.transforms import Compose
from PIL import Image

from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.errors import ConfigError
from monai_landmarks.simulate import simulate_dataset
from monai_landmarks.transforms.load import LoadRadiographd

LOAD = Compose([LoadRadiographd(keys="image")])


def spacing_of(stream):
    (item,) = list(stream)
    return item["spacing"].tolist(), item["spacing_plane"]


def test_replaces_an_unknown_spacing(tmp_path):
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20) % 251).save(tmp_path / "a.png")
    found, plane = spacing_of(RadiographStream([tmp_path], LOAD, ball_spacing_mm=(0.35, 0.35)))
    assert found == [0.35, 0.35]
    assert plane != "unknown"


def test_leaves_a_corrected_spacing_alone(tmp_path):
    # Simulated images state the magnification of their patient's plane.
    simulate_dataset(tmp_path, count=1, split=(1.0, 0.0, 0.0), progress=False)
    folder = tmp_path / "images"
    assert spacing_of(RadiographStream([folder], LOAD, ball_spacing_mm=(9.0, 9.0))) == spacing_of(
        RadiographStream([folder], LOAD)
    )


@pytest.mark.parametrize("also", [{"spacing_mm": (0.2, 0.2)}, {"magnification": 1.2}])
def test_one_answer_only(tmp_path, also):
    with pytest.raises(ConfigError, match="ball"):
        RadiographStream([tmp_path], LOAD, ball_spacing_mm=(0.35, 0.35), **also)
