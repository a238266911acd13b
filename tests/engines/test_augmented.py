import pytest
import torch
from torch import nn

from monai_landmarks.codecs.decode import LocalSoftArgmaxCodec
from monai_landmarks.codecs.likelihood import NOTHING, Bernoulli, Categorical, Similarity
from monai_landmarks.engines.augmented import AugmentedInferer
from monai_landmarks.engines.inferer import AutocastInferer
from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.views import View, standard_views

SIZE = (64, 48)
VIEWS = [View(7.0), View(scale=1.1), View(scale=0.9), View(shift=(0.1, -0.05)), View(-6.0, 1.05, (0.02, 0.03))]
BOTH = pytest.mark.parametrize("likelihood", [Categorical(), Bernoulli()])


def blobs(points, width=2.5):
    """(1, N, rows, columns), a Gaussian at each point."""
    row, column = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    squares = (row - points[:, 0, None, None]) ** 2 + (column - points[:, 1, None, None]) ** 2
    return torch.exp(-squares / (2 * width**2))[None]


class Brightness(nn.Module):
    """Equivariant: finds the blob in every channel of its input."""

    def forward(self, image):
        return 20 * image - 8


class Sides(nn.Module):
    """Channel 0 is the blob on the left, 1 the one on the right, 2 anywhere: it knows sides, as a real one does."""

    def forward(self, image):
        half = (torch.arange(SIZE[1]) < SIZE[1] / 2).float()
        return torch.cat([20 * image * half, 20 * image * (1 - half), 20 * image], 1) - 8


@pytest.mark.parametrize("view", [*VIEWS, View(mirror=True), View(5.0, 0.95, (0.05, 0.0), mirror=True)])
def test_a_view_moves_points_by_its_matrix_and_back(view):
    points = torch.tensor([[25.0, 20.0], [40.0, 30.0]])
    images = blobs(points)
    moved = view.apply(images)
    centre = (torch.tensor(SIZE) - 1) / 2
    matrix = view.matrix(SIZE)[:2].float()
    expected = (points - centre) @ matrix[:, :2].T + matrix[:, 2] + centre
    codec = LocalSoftArgmaxCodec(Bernoulli(), radius=80)
    found = codec.decode(torch.logit(moved.clamp(1e-6, 1 - 1e-6))).points[0]
    assert torch.allclose(found, expected, atol=0.05)
    assert (view.revert(moved) - images).abs().max() < 0.12


def test_pixels_out_of_view_are_known():
    seen = View(shift=(0.25, 0.0)).seen(torch.zeros(1, 1, *SIZE))
    assert seen[:48].all()
    assert not seen[48:].any()
    assert View().seen(torch.zeros(1, 1, *SIZE)).all()


def test_standard_views():
    assert standard_views() == (View(),)
    assert len(standard_views(5.0, 0.05)) == 5
    assert len(standard_views(5.0, 0.05, 0.02, mirror=True)) == 18
    assert sum(view.mirror for view in standard_views(5.0, mirror=True)) == 3


@BOTH
def test_an_equivariant_network_gives_the_plain_result(likelihood):
    image = torch.cat([blobs(torch.tensor([[25.3, 20.6]])), blobs(torch.tensor([[40.0, 30.2]]))])
    plain = AutocastInferer()(image, Brightness())
    mean = AugmentedInferer(likelihood, VIEWS)(image, Brightness())
    assert mean.shape == plain.shape
    codec = LocalSoftArgmaxCodec(likelihood, radius=50)
    ours, theirs = codec.decode(mean), codec.decode(plain)
    assert torch.allclose(ours.points, theirs.points, atol=0.05)
    assert torch.allclose(ours.presence, theirs.presence, atol=0.03)
    assert torch.allclose(ours.confidence, theirs.confidence, atol=0.1)


@BOTH
def test_one_plain_view_is_the_plain_inferer_exactly(likelihood):
    image = blobs(torch.tensor([[25.3, 20.6]]))
    assert torch.equal(AugmentedInferer(likelihood, [View()])(image, Brightness()), Brightness()(image))


@BOTH
def test_what_leaves_the_view_does_not_count(likelihood):
    image = blobs(torch.tensor([[58.0, 20.0]]))
    views = [View(shift=(0.3, 0.0)), View(shift=(0.0, 0.05))]
    codec = LocalSoftArgmaxCodec(likelihood, radius=40)
    plain = codec.decode(Brightness()(image))
    found = codec.decode(AugmentedInferer(likelihood, views)(image, Brightness()))
    assert torch.allclose(found.points, plain.points, atol=0.1)
    assert found.presence > 0.97 * plain.presence


@BOTH
def test_mirrored_views_swap_left_and_right(likelihood):
    image = blobs(torch.tensor([[20.0, 10.4]])) + blobs(torch.tensor([[44.0, 36.0]])) * 0.9
    codec = LocalSoftArgmaxCodec(likelihood, radius=50)
    plain = codec.decode(Sides()(image)).points
    swapped = codec.decode(AugmentedInferer(likelihood, mirror=(1, 0, 2))(image, Sides()))
    assert torch.allclose(swapped.points, plain, atol=0.01)
    assert (swapped.confidence[0, :2] > 0.8 * codec.decode(Sides()(image)).confidence[0, :2]).all()
    assert len(AugmentedInferer(likelihood, mirror=(1, 0, 2)).views) == 1
    assert not AugmentedInferer(likelihood, mirror=(0, 1, 2)).views


def test_a_landmark_without_template_is_not_found_by_its_mirror_images():
    class OneSide(nn.Module):
        """The left one's template, and none for the right one."""

        def forward(self, image):
            return torch.cat([image.clamp(min=1e-3).log(), torch.full_like(image, NOTHING - 0.5)], 1)

    image = blobs(torch.tensor([[20.0, 10.0]]))
    found = AugmentedInferer(Similarity(), mirror=(1, 0))(image, OneSide())
    assert Similarity().presence(found).tolist() == [[1, 0]]
    assert torch.equal(found[:, 1], OneSide()(image)[:, 1])


def test_mirrored_views_need_the_pairs():
    with pytest.raises(ConfigError, match="give `mirror`"):
        AugmentedInferer(Categorical(), [View(mirror=True)])


def test_mixed_precision_gives_float32():
    image = blobs(torch.tensor([[25.0, 20.0]]))
    result = AugmentedInferer(Categorical(), VIEWS, amp=True)(image, nn.Conv2d(1, 2, 3, padding=1))
    assert result.dtype == torch.float32
    assert torch.isfinite(result).all()
