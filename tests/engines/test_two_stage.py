import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose
from PIL import Image
from torch import nn

from monai_landmarks.codecs.decode import Categorical, LocalSoftArgmaxCodec
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.limbs import of_both_sides, radiograph_items
from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.engines.stages import Stage
from monai_landmarks.engines.two_stage import SidedInferer, TwoStageInferer
from monai_landmarks.errors import ConfigError, ReadError, find_cause
from monai_landmarks.export.writer import PredictionWriter
from monai_landmarks.metrics import LandmarkErrors, results_from_arrays, summarise, write_metrics
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sides import both_sides
from monai_landmarks.transforms.batch import PrepareRadiograph
from monai_landmarks.transforms.limb_views import KnowSided
from monai_landmarks.transforms.load import LoadRadiographd
from monai_landmarks.transforms.post import SidedTruthd

# (down, lateral) from the painted dot, in mm; a right limb's lateral is to the left of the image.
OFFSETS = ((0.0, 0.0), (-12.0, 20.0), (16.0, -9.0))
LIMB = Scheme(name="dots", landmarks=(Landmark(name="centre"), Landmark(name="upper"), Landmark(name="lower")))
BOTH = both_sides(LIMB)
CODEC = LocalSoftArgmaxCodec(Categorical(), radius=20.0)


class DotNet(nn.Module):
    """Each channel is the blurred image, shifted: where the dot is, plus the channel's offset as in a right limb."""

    def __init__(self, offsets, spacing_mm):
        super().__init__()
        self.offsets = [(round(down / spacing_mm), round(-lateral / spacing_mm)) for down, lateral in offsets]
        self.seen = []

    def forward(self, image):
        self.seen.append(tuple(image.shape))
        assert not self.training
        logits = 120 * (F.avg_pool2d(image, 5, 1, 2) - 0.65)
        return torch.cat([self.shifted(logits, *offset) for offset in self.offsets], 1)

    @staticmethod
    def shifted(logits, down, right):
        padded = F.pad(logits, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), value=-80.0)
        row, column = max(-down, 0), max(-right, 0)
        return padded[..., row : row + logits.shape[-2], column : column + logits.shape[-1]]


def region_stage(error=(0.0, 0.0), size=(128, 128), **kwargs):
    return Stage(DotNet([error], 1.0), CODEC, size, 1.0, **kwargs)


def landmark_stage(size=(128, 128), spacing_mm=0.5):
    return Stage(DotNet(OFFSETS, spacing_mm), CODEC, size, spacing_mm, mirror=True)


def paint(size, spacing, dots):
    """A bright cone of 10 mm radius at each (row, column)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.full(size, 100.0)
    for row, column in dots:
        distance = np.hypot((rows - row) * spacing[0], (columns - column) * spacing[1])
        image += 2000 * np.clip(1 - distance / 10, 0, None)
    return torch.as_tensor(image, dtype=torch.float32)[None, None]


def truth(dot, side, spacing, swapped=False):
    """(3, 2) of one limb."""
    outward = -1 if (side == "R") != swapped else 1
    return np.array([[dot[0] + down / spacing[0], dot[1] + outward * out / spacing[1]] for down, out in OFFSETS])


def run(inferer, image, spacing, sides="both", swapped=False):
    found = inferer(image, None, spacing=torch.tensor(spacing), sides=sides, swapped=swapped)
    assert found.shape == (1, 6, 4)
    return found[0].numpy()


SIZE, SPACING = (360, 601), (0.4, 0.3)
RIGHT, LEFT = (170.0, 160.0), (200.0, 430.0)


@pytest.mark.parametrize("recentre", [None, 0])
@pytest.mark.parametrize("swapped", [False, True])
def test_both_limbs_are_found_in_original_pixels(recentre, swapped):
    region, landmarks = region_stage(), landmark_stage()
    found = run(
        TwoStageInferer(region, landmarks, recentre), paint(SIZE, SPACING, [RIGHT, LEFT]), SPACING, "both", swapped
    )
    first, second = (LEFT, RIGHT) if swapped else (RIGHT, LEFT)
    expected = np.concatenate([truth(first, "R", SPACING, swapped), truth(second, "L", SPACING, swapped)])
    assert np.abs(found[:, :2] - expected).max() < 1.0
    assert (found[:, 2:] > 0.9).all()
    # Both limbs in one batch; the region once more where it is centred again.
    assert len(region.network.seen) == 1
    assert landmarks.network.seen == [(2, 1, 128, 128)] * (1 if recentre is None else 2)


def test_a_missing_limb_is_nan_and_leaves_the_other_unharmed():
    inferer = TwoStageInferer(region_stage(), landmark_stage(), recentre=0)
    whole = run(inferer, paint(SIZE, SPACING, [RIGHT, LEFT]), SPACING)
    for dots, kept, lost in (([RIGHT], slice(0, 3), slice(3, 6)), ([LEFT], slice(3, 6), slice(0, 3))):
        found = run(inferer, paint(SIZE, SPACING, dots), SPACING)
        np.testing.assert_allclose(found[kept], whole[kept], atol=1e-9)
        assert np.isnan(found[lost, :2]).all()
        assert (found[lost, 2] == 0).all()
        assert (found[lost, 3] < 0.5).all()
    neither = run(inferer, paint(SIZE, SPACING, []), SPACING)
    assert np.isnan(neither[:, :2]).all()
    assert (neither[:, 3] < 0.5).all()


class SureNet(nn.Module):
    """Sees every landmark everywhere."""

    def forward(self, image):
        return image.new_full((len(image), 3, *image.shape[-2:]), 5.0)


def test_a_blank_half_shows_no_limb_whatever_the_network_believes():
    image = paint(SIZE, SPACING, [RIGHT])
    image[..., SIZE[1] // 2 - 1 :] = 0
    sure = Stage(SureNet(), CODEC, (128, 128), 1.0)
    found = run(TwoStageInferer(sure, landmark_stage()), image, SPACING)
    assert np.isfinite(found[:3]).all()
    assert np.isnan(found[3:, :2]).all()
    assert (found[3:, 2:] == 0).all()


@pytest.mark.parametrize("side", ["L", "R"])
def test_a_single_limb_is_looked_for_in_the_whole_image(side):
    size, dot = (300, 281), (140.0, 150.0)
    found = run(TwoStageInferer(region_stage(), landmark_stage()), paint(size, SPACING, [dot]), SPACING, side)
    mine, other = (slice(0, 3), slice(3, 6)) if side == "R" else (slice(3, 6), slice(0, 3))
    assert np.abs(found[mine, :2] - truth(dot, side, SPACING)).max() < 1.0
    assert np.isnan(found[other, :2]).all()
    assert (found[other, 2:] == 0).all()


def test_looking_again_around_the_centre_finds_what_the_first_region_cut_off():
    image = paint(SIZE, SPACING, [RIGHT, LEFT])
    expected = np.concatenate([truth(RIGHT, "R", SPACING), truth(LEFT, "L", SPACING)])
    # 24 mm too low: the point 12 mm above the centre lies outside a region of 64 mm.
    region = region_stage(error=(24.0, 0.0))
    once = run(TwoStageInferer(region, landmark_stage()), image, SPACING)
    twice = run(TwoStageInferer(region, landmark_stage(), recentre=0), image, SPACING)
    assert (np.abs((once[:, :2] - expected) * SPACING)[[1, 4]].max(-1) > 4).all()
    assert np.abs(twice[:, :2] - expected).max() < 1.0


def test_a_centre_that_the_second_stage_does_not_see_leaves_the_region_where_it_was():
    region = region_stage(error=(-70.0, 0.0), size=(256, 128))
    landmarks = landmark_stage()
    image = paint((600, 601), SPACING, [(300.0, 160.0), (300.0, 430.0)])
    once = run(TwoStageInferer(region, landmarks), image, SPACING)
    twice = run(TwoStageInferer(region, landmarks, recentre=0), image, SPACING)
    np.testing.assert_array_equal(once, twice)


def test_a_limb_at_the_border_has_its_region_partly_outside():
    right, left = (14.0, 12.0), (350.0, 590.0)
    found = run(TwoStageInferer(region_stage(), landmark_stage(), 0), paint(SIZE, SPACING, [right, left]), SPACING)
    expected = np.concatenate([truth(right, "R", SPACING), truth(left, "L", SPACING)])
    # A dot that the border cuts has its middle shifted a little.
    assert np.abs((found[:, :2] - expected) * SPACING).max() < 1.5


def test_the_first_stage_sees_the_whole_half_of_a_large_image():
    region = region_stage(size=(128, 64))
    dots = [(20.0, 25.0), (560.0, 480.0)]
    size, spacing = (580, 501), (0.7, 0.7)
    found = run(TwoStageInferer(region, landmark_stage(), 0), paint(size, spacing, dots), spacing)
    expected = np.concatenate([truth(dots[0], "R", spacing), truth(dots[1], "L", spacing)])
    assert np.abs(found[:, :2] - expected).max() < 1.0
    # 406 x 175.7 mm at 1 mm, from 128 x 64 in steps of 64.
    assert region.network.seen == [(2, 1, 448, 192)]


@pytest.mark.parametrize("mirror", [False, True])
def test_one_stage_alone(mirror):
    inferer = SidedInferer(Stage(DotNet(OFFSETS, 1.0), CODEC, (128, 128), 1.0, mirror=mirror))
    found = run(inferer, paint(SIZE, SPACING, [RIGHT, LEFT]), SPACING)
    outward = truth(LEFT, "L" if mirror else "R", SPACING)
    assert np.abs((found[:, :2] - np.concatenate([truth(RIGHT, "R", SPACING), outward])) * SPACING).max() < 0.8


def test_points_do_not_depend_on_the_networks_mode_and_leave_it():
    region, landmarks = region_stage(), landmark_stage()
    region.network.train()
    assert not run(TwoStageInferer(region, landmarks), paint(SIZE, SPACING, [RIGHT, LEFT]), SPACING)[:, 3].min() < 0.5
    assert region.network.training


def test_several_radiographs_at_once_are_refused():
    with pytest.raises(ConfigError, match="batch_size to 1"):
        SidedInferer(region_stage())(torch.zeros(2, 1, 9, 9), None, spacing=torch.ones(2), sides="both", swapped=False)


@pytest.fixture
def radiographs(tmp_path):
    """Three images: both limbs, the right one alone, and a single left one."""
    shown = [("both", [RIGHT, LEFT]), ("both", [RIGHT]), ("L", [(150.0, 200.0)])]
    cases = []
    for number, (side, dots) in enumerate(shown):
        array = paint(SIZE, SPACING, dots)[0, 0].numpy().clip(0, 65535).astype(np.uint16)
        Image.fromarray(array).save(tmp_path / f"{number}.png")
        limbs = ["R", "L"] if side == "both" else [side]
        points = {}
        for limb, dot in zip(limbs, dots):
            word = {"R": "right", "L": "left"}[limb]
            for name, (row, column) in zip(LIMB.names, truth(dot, limb, SPACING)):
                points[f"{name}_{word}"] = (column, row)
        absent = [name for name in BOTH.names if name not in points] if side == "both" else []
        cases.append(
            Case(
                id=f"case{number}",
                image=f"{number}.png",
                side=side,
                split="test",
                spacing_mm=SPACING,
                annotations=[Annotation(reader="painter", points=points, absent=absent)],
            )
        )
    return LandmarkDataset(scheme=BOTH, cases=cases, root=tmp_path)


def evaluator_of(items, inferer):
    metric = LandmarkErrors()
    post = SidedTruthd("points", spacing_mm=0.5)
    chain = Compose([LoadRadiographd("image"), KnowSided("image")])
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(items, chain), batch_size=1),
        network=inferer.landmarks.network,
        inferer=inferer,
        prepare_batch=PrepareRadiograph(),
        postprocessing=post,
    )
    return evaluator, metric


def test_an_evaluator_measures_both_sides(radiographs, tmp_path):
    from ignite.engine import Events

    whole = of_both_sides(radiographs)
    # The left limb of the first image is not found.
    items = radiograph_items(radiographs, "test", "mean")
    Image.fromarray(paint(SIZE, SPACING, [RIGHT])[0, 0].numpy().astype(np.uint16)).save(tmp_path / "0.png")
    evaluator, metric = evaluator_of(items, TwoStageInferer(region_stage(), landmark_stage(), 0))

    @evaluator.on(Events.ITERATION_COMPLETED)
    def collect(engine):
        metric([o["pred"] for o in engine.state.output], [o["label"] for o in engine.state.output])

    evaluator.run()
    results = results_from_arrays(metric.arrays(), whole, whole.select("test"), ["calibrated"] * 3)
    assert np.isinf(results.errors_mm()[0, 3:]).all()
    assert np.isnan(results.errors_mm()[1, 3:]).all()
    assert np.isnan(results.errors_mm()[2, :3]).all()
    known = results.errors_mm()[np.isfinite(results.errors_mm())]
    assert known.size == 9
    assert known.max() < 0.5
    assert results.network_scale[0] == pytest.approx([0.8, 0.6])
    metrics = summarise(results, "test", bootstrap=20)
    write_metrics(metrics, tmp_path / "metrics.json")
    assert metrics["unpredicted"] == 3
    assert metrics["mm"]["points"] == 12
    assert metrics["presence"]["specificity"] == 1.0
    assert metrics["presence"]["sensitivity"] == pytest.approx(9 / 12)


def test_without_a_spacing_the_case_and_the_option_are_named(radiographs):
    items = [{**item, "spacing_mm": None} for item in radiograph_items(radiographs, "test", "mean")]
    evaluator, _ = evaluator_of(items, TwoStageInferer(region_stage(), landmark_stage()))
    with pytest.raises(ReadError, match=r"case0: .*--spacing.*spacing_mm") as raised:
        evaluator.run()
    assert find_cause(raised.value) is raised.value


def test_predictions_of_a_folder(radiographs, tmp_path):
    """The stream, the inferer and the writer together, as an inference.yaml joins them."""
    folder, out = radiographs.root, tmp_path / "out"
    chain = Compose([LoadRadiographd("image"), KnowSided("image", "both")])
    stream = RadiographStream([folder], chain, spacing_mm=SPACING, needs_spacing=True)
    inferer = TwoStageInferer(region_stage(), landmark_stage(), recentre=0)
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(stream, batch_size=1),
        network=inferer.landmarks.network,
        inferer=inferer,
        prepare_batch=PrepareRadiograph(),
        val_handlers=[PredictionWriter(out, stream, BOTH, {"bundle": "b", "version": "1"})],
    ).run()
    first, second, _ = json.loads((out / "predictions.json").read_text())["images"]
    truths = radiographs.cases[0].annotations[0].points
    for name, point in first["points"].items():
        assert np.abs(np.array(point["xy"]) - truths[name]).max() < 1.0
    assert [point["xy"] is None for point in second["points"].values()] == [False] * 3 + [True] * 3
    assert sorted(p.name for p in (out / "overlays").iterdir()) == ["0.png.png", "1.png.png", "2.png.png"]
