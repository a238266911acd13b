"""The MONAI metric: accumulation, repeated cases, IgniteMetricHandler."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.handlers import IgniteMetricHandler, from_engine

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import LandmarkErrors, results_from_arrays, summarise
from monai_landmarks.scheme import Landmark, Scheme

NAN = float("nan")
K = 3


def tables(
    n: int, seed: int = 0, spacing: float | None = 0.2, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions (n, K, 4), truth (n, K, 8); every fourth image has an unlabelled and an absent landmark."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 400, size=(n, K, 2)).astype(float)
    predicted = truth + rng.integers(-9, 10, size=(n, K, 2))
    state = np.ones((n, K))
    state[::4, 0], state[1::4, 1] = 0, 2
    truth[state != 1] = NAN
    constants = np.tile([spacing or NAN, spacing or NAN, 0.5, 0.5], (n, K, 1))
    index = np.broadcast_to(np.arange(n, dtype=float)[:, None, None], (n, K, 1))
    scores = rng.random((n, K, 2))
    y_pred = np.concatenate([predicted, scores], axis=-1)
    y = np.concatenate([truth, state[..., None], constants, index], axis=-1)
    return torch.tensor(y_pred, dtype=dtype), torch.tensor(y, dtype=dtype)


def plain_mre(y_pred: torch.Tensor, y: torch.Tensor) -> float:
    difference = (y_pred[..., :2] - y[..., :2]).double().numpy()
    return float(np.nanmean(np.hypot(difference[..., 0], difference[..., 1])))


def test_accumulates_batches_and_lists() -> None:
    y_pred, y = tables(10)
    metric = LandmarkErrors()
    metric(y_pred[:4], y[:4])
    metric(list(y_pred[4:7]), list(y[4:7]))
    metric([MetaTensor(p) for p in y_pred[7:]], list(y[7:]))
    array = metric.arrays()
    assert array.shape == (10, K, 12)
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, torch.cat([y_pred, y], dim=-1).double().numpy())
    assert metric.unit(array) == "mm"
    assert metric.aggregate().item() == pytest.approx(0.2 * plain_mre(y_pred, y), rel=1e-6)


def test_reset_starts_anew() -> None:
    metric = LandmarkErrors()
    metric(*tables(4, seed=1))
    metric.aggregate()
    metric.reset()
    y_pred, y = tables(6, seed=2)
    metric(y_pred, y)
    assert len(metric.arrays()) == 6
    assert metric.aggregate().item() == pytest.approx(0.2 * plain_mre(y_pred, y), rel=1e-6)


def test_repeated_cases_count_once_and_come_sorted() -> None:
    """What DistributedSampler does: ranks get interleaved cases and repeat the first ones at the end."""
    y_pred, y = tables(7)
    order = [0, 2, 4, 6, 1, 3, 5, 0]
    metric = LandmarkErrors()
    metric(y_pred[order], y[order])
    np.testing.assert_array_equal(metric.arrays()[:, 0, 11], np.arange(7))
    assert metric.aggregate().item() == pytest.approx(0.2 * plain_mre(y_pred, y), rel=1e-6)


def test_one_image_without_spacing_makes_it_pixels() -> None:
    y_pred, y = tables(5)
    y[3, :, 3:5] = NAN
    metric = LandmarkErrors()
    metric(y_pred, y)
    assert metric.unit(metric.arrays()) == "px"
    assert metric.aggregate().item() == pytest.approx(plain_mre(y_pred, y), rel=1e-6)


def test_missing_predictions_and_annotations() -> None:
    y_pred, y = tables(5)
    metric = LandmarkErrors()
    metric(torch.full_like(y_pred, NAN), y)
    assert metric.aggregate().item() == math.inf
    metric.reset()
    y[..., :3] = torch.tensor([NAN, NAN, 0.0])
    metric(y_pred, y)
    assert math.isnan(metric.aggregate().item())


def test_what_is_predicted_for_unlabelled_landmarks_does_not_matter() -> None:
    y_pred, y = tables(8)
    values = []
    for junk in (0.0, 1e5, NAN):
        changed = y_pred.clone()
        changed[(y[..., 2] != 1)] = junk
        metric = LandmarkErrors()
        metric(changed, y)
        values.append(metric.aggregate().item())
    assert values[0] == values[1] == values[2]


def test_misuse_is_explained() -> None:
    y_pred, y = tables(2)
    with pytest.raises(ConfigError, match="no case was evaluated"):
        LandmarkErrors().aggregate()
    for wrong in ((y_pred, None), (y_pred[..., :3], y), (y_pred, y[..., :5]), (y_pred[0], y[0])):
        with pytest.raises(ValueError, match="y_pred must be"):
            LandmarkErrors()(*wrong)


def test_through_the_ignite_handler() -> None:
    """A decollated engine output, two runs: the second is not mixed with the first."""
    from ignite.engine import Engine

    y_pred, y = tables(9)

    def step(engine: Engine, batch: slice) -> list[dict[str, torch.Tensor]]:
        return [{"points_pred": p, "points_true": t} for p, t in zip(y_pred[batch], y[batch])]

    engine = Engine(step)
    metric = LandmarkErrors()
    handler = IgniteMetricHandler(metric, output_transform=from_engine(["points_pred", "points_true"]))
    handler.attach(engine, "val_mre")
    for _ in range(2):
        engine.run([slice(0, 4), slice(4, 8), slice(8, 9)])
        assert engine.state.metrics["val_mre"] == pytest.approx(0.2 * plain_mre(y_pred, y), rel=1e-6)
        assert engine.state.metric_details["val_mre"].shape == (9, K, 12)
    assert len(metric.arrays()) == 9


def _dataset(tmp_path: Path, n: int) -> LandmarkDataset:
    scheme = Scheme(name="three", landmarks=tuple(Landmark(name=n) for n in "abc"), groups={"ends": ("a", "c")})
    cases = [
        Case(id=f"case{i}", image=f"{i}.dcm", patient=f"P{i // 2}", annotations=[Annotation(reader="r")])
        for i in range(n)
    ]
    return LandmarkDataset(scheme=scheme, cases=cases, root=tmp_path)


def test_results_from_arrays(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, 6)
    y_pred, y = tables(6)
    metric = LandmarkErrors()
    chosen = [4, 1, 3]
    metric(y_pred[chosen], y[chosen])
    planes = ["a", "b", "c", "d", "e", "f"]
    results = results_from_arrays(metric.arrays(), dataset, dataset.cases, planes)
    assert results.case_ids == ["case1", "case3", "case4"]
    assert results.patients == ["P0", "P1", "P2"]
    assert results.planes == ["b", "d", "e"]
    assert results.images[0] == str(tmp_path / "1.dcm")
    assert results.groups == {"ends": [0, 2]}
    assert results.state.dtype == np.int64
    np.testing.assert_array_equal(results.truth, y[[1, 3, 4], :, :2].numpy())
    np.testing.assert_array_equal(results.predicted, y_pred[[1, 3, 4], :, :2].numpy())
    np.testing.assert_allclose(results.confidence, y_pred[[1, 3, 4], :, 2].numpy())
    np.testing.assert_allclose(results.presence, y_pred[[1, 3, 4], :, 3].numpy())
    np.testing.assert_allclose(results.network_scale, 0.5)
    assert summarise(results, "test", bootstrap=0)["mm"]["mre"] == pytest.approx(metric.aggregate().item())


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, 3)
    array = np.zeros((2, K, 12))
    with pytest.raises(ValueError, match=r"expected \(N, 3, 12\)"):
        results_from_arrays(array[:, :2], dataset, dataset.cases, ["x"] * 3)
    with pytest.raises(ValueError, match="3 cases, 2 planes"):
        results_from_arrays(array, dataset, dataset.cases, ["x"] * 2)
    array[1, :, 11] = 3
    with pytest.raises(ValueError, match="case numbers 0 to 3"):
        results_from_arrays(array, dataset, dataset.cases, ["x"] * 3)


def test_two_ranks_gather_every_case(tmp_path: Path) -> None:
    """Real processes (gloo): ranks see different numbers of cases and one repetition."""
    from torch import multiprocessing

    init = f"file://{tmp_path / 'store'}"
    multiprocessing.spawn(_rank, args=(init, str(tmp_path)), nprocs=2)
    y_pred, y = tables(7)
    for rank in (0, 1):
        saved = np.load(tmp_path / f"{rank}.npz")
        np.testing.assert_array_equal(saved["array"], torch.cat([y_pred, y], dim=-1).double().numpy())
        assert saved["value"] == pytest.approx(0.2 * plain_mre(y_pred, y), rel=1e-6)


def _rank(rank: int, init: str, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    y_pred, y = tables(7)
    mine = [0, 2, 4, 6] if rank == 0 else [1, 3, 5, 0, 2]
    metric = LandmarkErrors()
    metric(y_pred[mine], y[mine])
    np.savez(Path(folder) / f"{rank}.npz", array=metric.arrays(), value=metric.aggregate().item())
    torch.distributed.destroy_process_group()
