"""Fake passes whose answers are known: the coarse one points somewhere, the fine one at the brightest pixel it sees."""

import torch
from torch import nn

from monai_landmarks.codecs.decode import ArgmaxCodec, Categorical, LocalSoftArgmaxCodec
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.two_pass import TwoPassNet
from monai_landmarks.networks.unet import LandmarkUNet

COARSE, FINE, WINDOW = (20, 16), (80, 64), 16


class Points(nn.Module):
    """Logits that peak at given pixels, whatever the image; `evidence` is their total."""

    def __init__(self, points, evidence):
        super().__init__()
        self.points, self.evidence = points, evidence

    def forward(self, image):
        assert image.shape[-2:] == COARSE
        logits = torch.full((len(image), len(self.points), *COARSE), -30.0)
        for k, ((row, column), value) in enumerate(zip(self.points, self.evidence)):
            logits[:, k, row, column] = value
        return logits


class Brightness(nn.Module):
    """Each channel's logits are the image."""

    def forward(self, window):
        assert window.shape[-2:] == (WINDOW, WINDOW)
        return 40 * window.expand(-1, 3, -1, -1)


def build(points=((5, 4), (0, 0), (19, 15)), evidence=(3.0, 0.5, -2.0)):
    return TwoPassNet(Points(points, evidence), Brightness(), COARSE, WINDOW, ArgmaxCodec(Categorical())).eval()


def test_the_fine_pass_decides_inside_the_window_alone():
    image = torch.zeros(2, 1, *FINE)
    # The coarse points lie at (21.5, 17.5), (1.5, 1.5) and (77.5, 61.5) of the fine grid.
    places = [(24, 14), (0, 3), (79, 63)]
    for row, column in places:
        image[:, 0, row, column] = 0.5
    image[:, 0, 40, 40] = 1.0
    points = ArgmaxCodec(Categorical()).decode(build()(image)).points
    assert points.shape == (2, 3, 2)
    assert points[0].tolist() == points[1].tolist() == [list(map(float, place)) for place in places]


def test_presence_stays_the_coarse_pass_s():
    logits = build()(torch.rand(1, 1, *FINE))
    expected = torch.sigmoid(torch.tensor([3.0, 0.5, -2.0]))
    torch.testing.assert_close(Categorical().presence(logits)[0], expected, atol=1e-4, rtol=0)
    confidence = LocalSoftArgmaxCodec(Categorical()).decode(logits).confidence
    assert (confidence <= expected + 1e-4).all()


def test_nothing_outside_the_image_can_win():
    image = torch.zeros(1, 1, *FINE)
    logits = build()(image)
    # A dark image gives a flat distribution over what of the window lies inside.
    counts = (logits[0] > -1e3).flatten(1).sum(1)
    half = WINDOW // 2
    assert counts.tolist() == [WINDOW * WINDOW, (2 + half) ** 2, (2 + half) ** 2]
    assert torch.isfinite(logits).all()


def test_real_networks_build_from_settings_and_load_back():
    settings = {"backbone": "efficientnet-lite0", "decoder_channels": [16, 16, 8, 8, 8]}
    assert isinstance(network_from(settings, 3), LandmarkUNet)
    settings["second_pass"] = {
        "coarse_size": [64, 32],
        "window": 64,
        "codec": {"likelihood": "Categorical", "window": 8.0},
    }
    network = network_from(settings, 3)
    assert isinstance(network, TwoPassNet)
    other = network_from(settings, 3)
    other.load_state_dict(network.state_dict())
    image = torch.rand(1, 1, 128, 64)
    with torch.inference_mode():
        torch.testing.assert_close(other.eval()(image), network.eval()(image))
