import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_landmarks.data.stream import ScopeError
from monai_landmarks.errors import ConfigError, ReadError
from monai_landmarks.transforms.geometry import NoteGeometryd, PointsFollowImaged, image_affine, move_points
from monai_landmarks.transforms.limb_views import (
    HalfViewd,
    KnowSided,
    RegionViewd,
    canvas_size,
    half_view,
    region_view,
)


def radiograph(pixels, spacing=(0.3, 0.3), **meta):
    affine = torch.diag(torch.tensor([*spacing, 1.0, 1.0], dtype=torch.float64))
    tensor = torch.as_tensor(pixels, dtype=torch.float32)[None]
    return MetaTensor(tensor, affine=affine, meta={"original_affine": affine.numpy(), **meta})


def dot(size, place, width=2.0, floor=0.0):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return floor + 1000 * np.exp(-((rows - place[0]) ** 2 + (columns - place[1]) ** 2) / (2 * width**2))


def centre_of_mass(view):
    weights = view.as_tensor()[0].double()
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in weights.shape), indexing="ij")
    return torch.stack(((weights * rows).sum(), (weights * columns).sum())) / weights.sum()


def random_case(seed):
    generator = np.random.default_rng(seed)
    size = generator.integers(40, 400, 2)
    spacing = generator.uniform(0.08, 1.2, 2)
    view = [int(side) for side in generator.integers(33, 200, 2)]
    return generator, radiograph(generator.uniform(0, 4000, size), spacing), spacing, view


@pytest.mark.parametrize("seed", range(40))
def test_points_return_through_both_stages(seed):
    generator, image, spacing, view = random_case(seed)
    side = str(generator.choice(["L", "R"]))
    alone, swapped, mirror = (bool(flag) for flag in generator.integers(0, 2, 3))
    size = np.array(image.shape[-2:])
    points = torch.as_tensor(generator.uniform(-0.5, 1.5, (16, 2)) * size)
    centre = generator.uniform(-0.3, 1.3, 2) * size
    half = half_view(image, spacing, side, alone, view, float(generator.uniform(0.2, 2.0)), swapped, mirror)
    region = region_view(image, spacing, centre, view, float(generator.uniform(0.1, 1.0)), mirror)
    for seen in (half, region):
        assert seen.shape == (1, *view)
        assert 0 <= seen.min() <= seen.max() <= 1
        to_original, to_view = image_affine(seen)
        back = move_points(move_points(points, to_view), to_original)
        assert (back - points).abs().max() < 1e-3


@pytest.mark.parametrize("seed", range(40))
def test_a_dot_in_the_view_maps_back_to_where_it_is(seed):
    generator = np.random.default_rng(seed)
    size = generator.integers(60, 200, 2)
    spacing = generator.uniform(0.2, 0.6, 2)
    place = generator.uniform(15, size - 15)
    image = radiograph(dot(size, place, 3.0), spacing)
    # The region's centre is anywhere within reach, its corners often outside the image.
    centre = np.clip(place + generator.uniform(-25, 25, 2), 0, size)
    mirror = bool(generator.integers(0, 2))
    view = region_view(image, spacing, centre, [int(n) for n in generator.integers(120, 180, 2)], 0.3, mirror)
    found = move_points(centre_of_mass(view), image_affine(view)[0])
    assert (found - torch.as_tensor(place)).abs().max() < 0.15


@pytest.mark.parametrize("columns", [100, 101])
@pytest.mark.parametrize(("side", "swapped"), [("R", False), ("L", False), ("R", True), ("L", True)])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_half_shows_its_own_limb_and_not_the_other(columns, side, swapped, mirror):
    left, right = (40.0, 22.0), (60.0, columns - 20.0)
    image = radiograph(dot((90, columns), left) + dot((90, columns), right), (0.5, 0.5))
    # Far wider than the half: what lies beyond the middle is not shown.
    view = half_view(image, (0.5, 0.5), side, False, (128, 160), 0.5, swapped, mirror)
    place = left if (side == "R") != swapped else right
    found = move_points(centre_of_mass(view), image_affine(view)[0])
    assert (found - torch.tensor(place)).abs().max() < 0.1
    if mirror:
        plain = half_view(image, (0.5, 0.5), side, False, (128, 160), 0.5, swapped)
        assert torch.equal(view.flip(-1).as_tensor(), plain.as_tensor())


def test_an_odd_width_shares_its_middle_column():
    for side in ("R", "L"):
        view = half_view(radiograph(np.mgrid[:8, :9][1]), (1, 1), side, False, (8, 16), 1.0)
        to_original = image_affine(view)[0]
        shown = move_points(torch.nonzero(view.as_tensor()[0]).double(), to_original)[:, 1]
        # The darkest of the shown columns is scaled to 0 as well.
        assert shown.max() == (4 if side == "R" else 8)
        assert shown.min() == (1 if side == "R" else 5)


def test_an_image_alone_is_shown_whole():
    image = radiograph(dot((60, 80), (30, 60)), (1, 1))
    view = half_view(image, (1, 1), "R", True, (64, 96), 1.0)
    found = move_points(centre_of_mass(view), image_affine(view)[0])
    assert (found - torch.tensor([30.0, 60.0])).abs().max() < 0.1


def test_what_lies_outside_is_zero_and_does_not_darken_the_border():
    image = radiograph(np.full((40, 40), 500.0) + np.arange(40), (0.5, 0.5))
    view = region_view(image, (0.5, 0.5), (0, 20), (40, 40), 0.7, False).as_tensor()[0]
    rows = view.max(1).values
    assert (rows[:19] == 0).all()
    assert (rows[19:] == 1).all()
    assert torch.allclose(view[19], view[-1])


def test_a_region_wholly_outside_is_empty_and_invertible():
    image = radiograph(np.random.default_rng(0).uniform(0, 1, (40, 40)))
    view = region_view(image, (0.3, 0.3), (-500, 900), (64, 64), 0.3, True)
    assert view.as_tensor().abs().max() == 0
    assert (
        move_points(torch.tensor([31.5, 31.5]), image_affine(view)[0]) - torch.tensor([-500.0, 900.0])
    ).abs().max() < 1


def test_a_flat_image_gives_zeros():
    assert region_view(radiograph(np.full((50, 50), 7.0)), (1, 1), (25, 25), (32, 32), 1.0, False).abs().max() == 0


def test_intensities_are_those_of_the_view_alone():
    pixels = np.random.default_rng(0).uniform(100, 200, (100, 200))
    bright = pixels.copy()
    bright[:, 100:] = 1e6
    views = [half_view(radiograph(p), (0.3, 0.3), "R", False, (96, 96), 0.3).as_tensor() for p in (pixels, bright)]
    assert torch.equal(*views)
    low, high = np.percentile(pixels[2:98, 2:98], (5, 99))
    expected = np.clip((pixels[2:98, 2:98] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(views[0][0], expected, atol=1e-3)


def test_a_flip_of_the_region_unflips_columns():
    image = radiograph(np.random.default_rng(1).uniform(0, 1, (101, 75)), (0.2, 0.4))
    plain, flipped = (region_view(image, (0.2, 0.4), (40, 30), (64, 51), 0.5, mirror) for mirror in (False, True))
    assert torch.equal(flipped.as_tensor(), plain.as_tensor().flip(-1))
    points = torch.as_tensor(np.random.default_rng(2).uniform(0, 50, (16, 2)))
    in_plain = points * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 50.0])
    both = [move_points(p, image_affine(v)[0]) for p, v in ((points, flipped), (in_plain, plain))]
    assert (both[0] - both[1]).abs().max() < 1e-9


@pytest.mark.parametrize("orientation", ["", "L\\F", "R\\F"])
@pytest.mark.parametrize("side", ["L", "R"])
def test_items_show_every_limb_as_a_right_one(orientation, side):
    """The dot lies to the lateral side of the limb's centre; lateral is to the left in a right limb as displayed."""
    size, centre = (80, 160), (40.0, 40.0 if (side == "R") != orientation.startswith("R") else 119.0)
    outward = -12 if centre[1] < 80 else 12
    place = (centre[0], centre[1] + outward)
    item = {
        "image": radiograph(dot(size, place), (0.5, 0.5), orientation=orientation),
        "points": np.array([[centre, place]]),
        "side": side,
        "alone": False,
        "spacing": torch.tensor([0.5, 0.5], dtype=torch.float64),
    }
    region = RegionViewd("image", 0, (48, 48), 0.5, margin=1.25)
    for transform in (region, HalfViewd("image", (60, 60), 0.5, mirror=True)):
        done = PointsFollowImaged("points")(NoteGeometryd("image")(transform(item)))
        assert done["image"].shape == (1, 60, 60)
        found = done["network_points"]
        assert (centre_of_mass(done["image"]) - found[1]).abs().max() < 0.1
        assert float(found[1, 1] - found[0, 1]) == pytest.approx(-12, abs=0.1)
    unmirrored = PointsFollowImaged("points")(HalfViewd("image", (60, 60), 0.5)(item))["network_points"]
    assert float(unmirrored[1, 1] - unmirrored[0, 1]) == pytest.approx(outward, abs=0.1)


def test_a_region_without_a_centre_is_refused():
    item = {"image": radiograph(np.zeros((9, 9))), "points": np.full((1, 2, 2), np.nan), "side": "L", "case_id": "c7"}
    with pytest.raises(ConfigError, match="c7"):
        RegionViewd("image", 1, (9, 9), 1.0)(item)


@pytest.mark.parametrize("spacing", [(np.nan, np.nan), (0.2, np.nan), (0.0, 0.2)])
def test_without_a_spacing_the_option_is_named(spacing):
    image = radiograph(np.zeros((50, 50)))
    for look in (
        lambda: half_view(image, spacing, "R", True, (32, 32), 1.0),
        lambda: region_view(image, spacing, (3, 3), (32, 32), 1.0, False),
        lambda: canvas_size((50, 50), spacing, True, (32, 32), 1.0),
    ):
        with pytest.raises(ReadError, match=r"--spacing.*spacing_mm"):
            look()


@pytest.mark.parametrize("view", [HalfViewd("image", (9, 9), 1.0), RegionViewd("image", 0, (9, 9), 1.0)])
def test_the_case_without_a_spacing_is_named(view):
    item = {"image": radiograph(np.zeros((9, 9))), "points": np.ones((1, 1, 2)), "side": "L", "alone": True}
    with pytest.raises(ReadError, match=r"case c7: .*spacing_mm"):
        view({**item, "case_id": "c7", "spacing": torch.full((2,), torch.nan)})


def test_a_spacing_that_cannot_be_meant_is_refused():
    image = radiograph(np.zeros((2000, 2000)))
    with pytest.raises(ReadError, match="--spacing"):
        region_view(image, (1e-4, 1e-4), (3, 3), (256, 256), 1.0, False)
    with pytest.raises(ReadError, match=r"180\.0 m long; check --spacing"):
        canvas_size((2000, 2000), (90.0, 90.0), True, (256, 256), 1.0)


@pytest.mark.parametrize("seed", range(10))
def test_the_canvas_grows_until_the_whole_half_is_seen(seed):
    generator = np.random.default_rng(seed)
    size = [int(n) for n in generator.integers(50, 900, 2)]
    spacing, alone = generator.uniform(0.3, 1.5, 2), bool(generator.integers(0, 2))
    canvas = canvas_size(size, spacing, alone, (128, 96), 1.0)
    assert (canvas[0] - 128) % 64 == 0
    assert (canvas[1] - 96) % 64 == 0
    columns = size[1] if alone else (size[1] + 1) // 2
    smaller = [side - 64 for side in canvas]
    for side, least, needed in zip(smaller, (128, 96), (size[0] * spacing[0], columns * spacing[1])):
        assert side < least or side < needed
    corners = torch.tensor([[0.0, 0.0], [size[0] - 1.0, columns - 1.0]])
    view = half_view(radiograph(np.zeros(size), spacing), spacing, "R", alone, canvas, 1.0)
    inside = move_points(corners, image_affine(view)[1])
    assert (inside > -0.6).all()
    assert (inside < torch.tensor(canvas) - 0.4).all()


def test_a_side_is_the_items_own_then_the_files_then_the_users():
    def sides(side=None, laterality="", own=None, orientation=""):
        item = {"image": radiograph(np.zeros((4, 4)), laterality=laterality, orientation=orientation)}
        return KnowSided("image", side)({**item, **({"side": own} if own else {})})

    assert sides("R", "L", "both")["sides"] == "both"
    assert sides("R", "L")["sides"] == "L"
    assert sides("L", "B")["sides"] == "both"
    assert sides("R", "U")["sides"] == "R"
    assert sides("R")["swapped"] is False
    assert sides("R", orientation="RA\\F")["swapped"] is True
    with pytest.raises(ScopeError, match="--side L, --side R or --side both"):
        sides(None, "U")
    with pytest.raises(ConfigError, match="--side left"):
        KnowSided("image", "left")
