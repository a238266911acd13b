import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_landmarks.codecs.decode import codec_from, codec_settings, likelihood_of
from monai_landmarks.codecs.likelihood import Similarity, logits_of, maps_of
from monai_landmarks.codecs.similarity import SimilarityCodec, bidirectional_match, refined
from monai_landmarks.engines.augmented import AugmentedInferer
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.ensemble import LandmarkEnsemble
from monai_landmarks.networks.one_shot import LOWEST
from monai_landmarks.transforms.views import View

STRIDES = (32, 16, 8, 4, 2)


def hill(row, column, size=(40, 30), sigma=3.0, height=0.8):
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size), indexing="ij")
    return height * torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))


def test_the_most_similar_place_to_a_fraction_of_a_pixel():
    generator = torch.Generator().manual_seed(0)
    points = 5 + torch.rand(2, 4, 2, generator=generator) * torch.tensor([30.0, 20.0])
    logits = torch.stack([torch.stack([hill(*p).log() for p in image]) for image in points.tolist()])
    decoded = SimilarityCodec().decode(logits)
    assert decoded.points.shape == (2, 4, 2)
    error = (decoded.points - points).norm(dim=-1)
    whole = (points.round() - points).norm(dim=-1)
    assert error.max() < 0.2
    assert error.mean() < 0.5 * whole.mean()
    assert torch.equal(decoded.presence, torch.ones(2, 4))
    assert torch.allclose(decoded.confidence, logits.exp().flatten(-2).amax(-1))


def plain_refined(one, place, reach):
    around = range(-reach, reach + 1)
    cells = [(place[0] + i, place[1] + j) for i in around for j in around]
    cells = [cell for cell in cells if all(0 <= index < side for index, side in zip(cell, one.shape))]
    least = min(one[cell] for cell in cells)
    weights = [one[cell] - least for cell in cells]
    return sum(np.array(cell) * weight for cell, weight in zip(cells, weights)) / sum(weights)


def test_refining_in_plain_loops():
    maps = torch.rand(5, 9, 7, generator=torch.Generator().manual_seed(0))
    # Corners and the middle: the window is cut at the border.
    places = [(0, 0), (8, 6), (4, 3), (0, 4), (7, 0)]
    found = refined(maps, torch.tensor([row * 7 + column for row, column in places]), 2)
    for one, place, result in zip(maps.double().numpy(), places, found):
        assert np.allclose(result.numpy(), plain_refined(one, place, 2), atol=1e-5)


def test_a_plateau_is_its_own_pixel():
    assert refined(torch.full((1, 9, 7), 0.5), torch.tensor([4 * 7 + 3]), 2).tolist() == [[4, 3]]


def test_a_shift_of_the_maps_shifts_the_points():
    logits = hill(15.3, 12.6)[None].log()
    moved = torch.roll(logits, (5, -3), (-2, -1))
    difference = SimilarityCodec().decode(moved).points - SimilarityCodec().decode(logits).points
    assert torch.allclose(difference, torch.tensor([[5.0, -3.0]]), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_landmark_without_template_is_not_there(dtype):
    none = torch.full((40, 30), LOWEST)
    poor = torch.full((40, 30), LOWEST)
    poor[20, 10] = -20.0
    decoded = SimilarityCodec().decode(torch.stack((none, poor, hill(9, 9).log())).to(dtype))
    assert decoded.presence.isnan().tolist() == [True, False, False]
    assert decoded.presence[1:].tolist() == [1, 1]
    assert decoded.points[1].tolist() == [20, 10]
    assert decoded.confidence[0] < 1e-9
    assert decoded.points.isnan().all(-1).tolist() == [True, False, False]


def test_settings_go_through_json_and_back():
    settings = codec_settings(SimilarityCodec(radius=3))
    assert settings == {"likelihood": "Similarity", "window": 3, "similarity": {}}
    again = codec_from(json.loads(json.dumps(settings)))
    assert isinstance(again, SimilarityCodec)
    assert again.radius == 3
    assert isinstance(likelihood_of(settings), Similarity)
    with pytest.raises(ConfigError, match="at least 1"):
        SimilarityCodec(radius=0)


def test_networks_and_views_are_averaged_as_similarities():
    first, second = hill(10.0, 10.0)[None, None].log(), hill(20.0, 12.0, height=0.5)[None, None].log()
    assert torch.allclose(logits_of(maps_of(Similarity(), first)), first, atol=1e-4)
    ensemble = LandmarkEnsemble([Fixed(first), Fixed(second)], Similarity())
    mean = (first.exp() + second.exp()) / 2
    assert torch.allclose(ensemble(torch.zeros(1, 1, 40, 30)).exp(), mean, atol=1e-6)
    # A network that finds the blob wherever the view puts it.
    inferer = AugmentedInferer(Similarity(), [View(shift=(0.1, 0.0)), View(mirror=True)], mirror=[0])
    image = hill(14.0, 9.0)[None, None]
    logits = inferer(image, lambda seen: seen.clamp(min=1e-9).log())
    assert torch.allclose(logits.exp(), image, atol=1e-5)


class Fixed(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, image):
        return self.logits


def scene(places, size=(64, 64), channels=24):
    """Embeddings in which each named thing has its own direction, smooth around its place; the rest is ground."""
    maps = []
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size), indexing="ij")
    full = torch.zeros(channels, *size)
    full[0] = 0.2
    for direction, row, column in places:
        weight = torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 4.0**2))
        full += weight * direction[:, None, None]
    for stride in STRIDES:
        maps.append(F.normalize(F.avg_pool2d(full[None], stride), dim=1))
    return maps


def unit(*parts, channels=24):
    direction = torch.zeros(channels)
    for index, value in parts:
        direction[index] = value
    return direction / direction.norm()


def test_a_look_alike_is_unmasked_on_the_way_back():
    # The thing B in the query looks like A's template, more than A itself does; but the template has a B too.
    template = scene([(unit((1, 1.0)), 20.0, 20.0), (unit((1, 0.8), (2, 0.6)), 44.0, 44.0)])
    query = scene([(unit((1, 0.7), (3, 0.7)), 24.0, 18.0), (unit((1, 0.8), (2, 0.55)), 47.0, 41.0)])
    points = torch.tensor([[20.0, 20.0]])
    plain = bidirectional_match(query, template, points, count=1)
    both = bidirectional_match(query, template, points, count=3)
    assert (plain.points[0, 0] - torch.tensor([47.0, 41.0])).norm() < 6
    assert (both.points[0, 0] - torch.tensor([24.0, 18.0])).norm() < 6
    assert both.similarity < plain.similarity
    assert both.distance < 6 < 20 < plain.distance


def test_a_template_matched_to_itself_returns_its_points():
    generator = torch.Generator().manual_seed(0)
    full = F.interpolate(torch.randn(1, 24, 24, 16, generator=generator), (192, 128), mode="bicubic")
    maps = [F.normalize(F.avg_pool2d(full, stride), dim=1) for stride in STRIDES]
    points = torch.tensor([[30.2, 40.9], [100.0, 17.5], [float("nan")] * 2, [180.0, 120.0]])
    matched = bidirectional_match([torch.cat((scale, scale)) for scale in maps], maps, points)
    assert matched.points.shape == (2, 4, 2)
    known = [0, 1, 3]
    assert (matched.points - points)[:, known].abs().max() <= 1
    assert matched.distance[:, known].max() <= 2
    for part in matched:
        assert torch.equal(part[0].nan_to_num(), part[1].nan_to_num())
        assert part[:, 2].isnan().all()
    with pytest.raises(ConfigError, match="at least one"):
        bidirectional_match(maps, maps, points, count=0)


def plain_similarity(searched, known, point):
    """Product of five cosine maps at full size, pixel by pixel; numpy maps (E, rows, columns)."""
    size = [side * 2 for side in searched[-1].shape[1:]]
    product = np.ones(size)
    for stride, there, here in zip(STRIDES, known, searched):
        cell = [math.floor((value + 0.5) / stride) for value in point]
        offset = [value - ((index + 0.5) * stride - 0.5) for value, index in zip(point, cell)]
        cosine = np.clip(np.einsum("eij,e->ij", here, there[:, cell[0], cell[1]]), 0, 1)
        for pixel in np.ndindex(*size):
            place = [
                min(max((at - move + 0.5) / stride - 0.5, 0), side - 1)
                for at, move, side in zip(pixel, offset, cosine.shape)
            ]
            low = [min(math.floor(value), side - 2) for value, side in zip(place, cosine.shape)]
            product[pixel] *= sum(
                cosine[low[0] + i, low[1] + j] * (1 - abs(place[0] - low[0] - i)) * (1 - abs(place[1] - low[1] - j))
                for i in (0, 1)
                for j in (0, 1)
            )
    return product


def plain_match(query, template, point, count, separation, radius):
    """The nearest on the way back, its distance and similarity; greedy local maxima are the candidates."""
    forward = plain_similarity(query, template, point)
    padded = np.pad(forward, 2 * separation, constant_values=-1)
    side = 4 * separation + 1
    peaks = [
        p for p in np.ndindex(*forward.shape) if forward[p] == padded[p[0] : p[0] + side, p[1] : p[1] + side].max()
    ]
    results = []
    peaks = [peak for peak in peaks if forward[peak] >= 0.1 * forward.max()]
    for peak in sorted(peaks, key=lambda p: -forward[p])[:count]:
        place = plain_refined(forward, peak, radius)
        back = plain_similarity(template, query, place)
        found = plain_refined(back, np.unravel_index(back.argmax(), back.shape), radius)
        results.append((np.hypot(*(found - point)), forward[peak], place))
    return min(results, key=lambda result: result[0])


def test_bidirectional_matching_in_plain_loops():
    generator = torch.Generator().manual_seed(3)
    full = (F.interpolate(torch.randn(1, 6, 12, 12, generator=generator), (64, 64), mode="bicubic") for _ in range(2))
    # What all cells have in common keeps the cosines above 0, so that there are hills to choose from.
    full = (torch.cat((maps, torch.ones(1, 1, 64, 64)), 1) for maps in full)
    query, template = ([F.normalize(F.avg_pool2d(maps, stride), dim=1) for stride in STRIDES] for maps in full)
    points = torch.tensor([[21.0, 33.0], [40.2, 10.7], [5.0, 60.0]])
    matched = bidirectional_match(query, template, points, count=2, separation=4)
    plain = bidirectional_match(query, template, points, count=1)
    arrays = [[scale[0].double().numpy() for scale in maps] for maps in (query, template)]
    for k, point in enumerate(points.double().numpy()):
        distance, similarity, place = plain_match(*arrays, point, count=2, separation=4, radius=2)
        assert np.allclose(matched.points[0, k], place, atol=1e-2)
        assert float(matched.similarity[0, k]) == pytest.approx(similarity, rel=1e-4)
        assert float(matched.distance[0, k]) == pytest.approx(distance, abs=0.02)
    # Two candidates gave another answer than one for some of them.
    assert not torch.allclose(matched.points, plain.points)
    assert (matched.distance <= plain.distance + 1e-4).all()
