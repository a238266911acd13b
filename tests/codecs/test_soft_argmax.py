import json

import pytest
import torch

from monai_landmarks.codecs.decode import LocalSoftArgmaxCodec, codec_from, codec_settings
from monai_landmarks.codecs.likelihood import Categorical
from monai_landmarks.codecs.soft_argmax import SoftArgmaxCodec, soft_argmax
from monai_landmarks.errors import ConfigError


def hill(row, column, size=(28, 20), sigma=1.0, height=6.0):
    """Logits of a Gaussian hill at a place given in cells."""
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size), indexing="ij")
    return height - ((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (27, 19), (5, 19), (27, 7)])
def test_a_sharp_peak_on_a_cells_centre_is_that_centre(row, column):
    logits = torch.full((28, 20), -60.0)
    logits[row, column] = 60.0
    expected = [(row + 0.5) * 4 - 0.5, (column + 0.5) * 4 - 0.5]
    assert soft_argmax(logits).tolist() == expected
    # The last column's centre: 1.5 pixels before the input's last one, 79.
    assert soft_argmax(logits, stride=1).tolist() == [row, column]


def test_equal_logits_give_the_middle_of_the_input():
    expected = torch.tensor([111 / 2, 79 / 2]).expand(2, 3, 2)
    assert torch.allclose(soft_argmax(torch.zeros(2, 3, 28, 20)), expected, atol=1e-4)


def test_sub_pixel():
    points = torch.tensor([[40.3, 30.8], [61.0, 44.9]])
    cells = (points + 0.5) / 4 - 0.5
    logits = torch.stack([hill(row, column) for row, column in cells.tolist()])
    assert torch.allclose(soft_argmax(logits), points, atol=0.01)


def test_beta_sharpens():
    logits = hill(10, 5) + torch.randn(28, 20, generator=torch.Generator().manual_seed(0))
    logits[20, 15] = 2.0
    expected = torch.tensor([(10 + 0.5) * 4 - 0.5, (5 + 0.5) * 4 - 0.5])
    errors = [(soft_argmax(logits, beta=beta) - expected).norm() for beta in (0.1, 1.0)]
    assert errors[1] < errors[0]


def test_the_gradient_pulls_towards_the_point():
    logits = torch.zeros(1, 1, 9, 9, requires_grad=True)
    (soft_argmax(logits) - torch.tensor([4.0, 17.5])).square().sum().backward()
    assert (-logits.grad[0, 0]).flatten().argmax() // 9 == 0


def test_decoding_gives_points_presence_and_confidence():
    logits = torch.stack((hill(10, 5), hill(10, 5) - 60, torch.maximum(hill(5, 5), hill(22, 15))))[None]
    decoded = SoftArgmaxCodec().decode(logits)
    assert decoded.points.shape == (1, 3, 2)
    assert torch.equal(decoded.points, soft_argmax(logits))
    assert torch.allclose(decoded.presence, Categorical().presence(logits))
    assert decoded.presence[0, 0] > 0.99 > 0.01 > decoded.presence[0, 1]
    assert decoded.confidence[0, 0] == pytest.approx(decoded.presence[0, 0].item(), rel=0.05)
    assert decoded.confidence[0, 1] < 0.01
    # Between two hills there is a point, but nothing to believe in.
    assert decoded.presence[0, 2] > 0.99
    assert decoded.confidence[0, 2] < 0.01


def test_confidence_is_the_probability_in_the_window():
    logits = hill(10.2, 0.4, sigma=3.0)[None]
    decoded = SoftArgmaxCodec(radius=8.0).decode(logits)
    cells = (decoded.points[0] + 0.5) / 4 - 0.5
    row, column = torch.floor(cells + 0.5).long().tolist()
    window = Categorical().probability(logits)[0, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
    assert decoded.confidence.item() == pytest.approx(window.sum().item(), rel=1e-5)


def test_it_decodes_one_image_and_a_batch_alike():
    logits = torch.randn(4, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    together = SoftArgmaxCodec().decode(logits)
    for index, one in enumerate(logits):
        for a, b in zip(together, SoftArgmaxCodec().decode(one)):
            assert torch.allclose(a[index], b)


def test_half_precision_logits_lose_nothing():
    logits = hill(10, 5)[None].to(torch.bfloat16)
    assert torch.equal(SoftArgmaxCodec().decode(logits).points, SoftArgmaxCodec().decode(logits.float()).points)


def test_settings_go_through_json_and_back():
    codec = SoftArgmaxCodec(stride=4, beta=2.0, radius=12.0)
    settings = codec_settings(codec)
    assert settings == {"likelihood": "Categorical", "window": 12.0, "soft_argmax": {"stride": 4, "beta": 2.0}}
    again = codec_from(json.loads(json.dumps(settings)))
    assert isinstance(again, SoftArgmaxCodec)
    logits = torch.randn(2, 3, 12, 10)
    assert all(torch.equal(a, b) for a, b in zip(codec.decode(logits), again.decode(logits)))
    local = codec_from(codec_settings(LocalSoftArgmaxCodec(Categorical(), 9.0)))
    assert isinstance(local, LocalSoftArgmaxCodec)
    assert local.radius == 9.0


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"beta": -1.0}, {"radius": 0.0}])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(ConfigError, match="must be above 0"):
        SoftArgmaxCodec(**wrong)
