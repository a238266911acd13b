from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.baselines.one_shot import COPIED, MEAN_SHAPE, one_shot_floors
from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.data.tables import import_table
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import mre

ISBI = Path(__file__).parents[3] / "shared" / "data" / "isbi2015"


def results_of(dataset: LandmarkDataset, split: str, spacing: float) -> Results:
    """An evaluation that found nothing."""
    cases = dataset.select(split)
    points, states = zip(*(case.points(dataset.scheme) for case in cases))
    n, k = len(cases), len(dataset.names)
    return Results(
        names=dataset.names,
        groups={},
        case_ids=[case.id for case in cases],
        patients=[case.patient_key for case in cases],
        images=[str(dataset.root / case.image) for case in cases],
        truth=np.stack(points),
        state=np.stack(states),
        predicted=np.full((n, k, 2), np.nan),
        confidence=np.zeros((n, k)),
        presence=np.zeros((n, k)),
        spacing=np.full((n, 2), spacing),
        planes=["calibrated"] * n,
        network_scale=np.ones((n, 2)),
    )


def test_floors_in_plain_loops(blobs):
    dataset = load_dataset(blobs)
    # Case 2 is twice as large as the others, and case 4 has no middle.
    cases = [case.model_copy(update={"size": (160, 128) if case.id == "case02" else None}) for case in dataset.cases]
    dataset = dataset.model_copy(update={"cases": cases})
    results = results_of(dataset, "test", 0.5)
    floors = one_shot_floors(results, dataset, "case04")
    template = dataset.cases[4].points(dataset.scheme)[0]
    assert np.isnan(template[2]).all()
    assert np.allclose(floors[COPIED].predicted, np.broadcast_to(template, (3, 3, 2)), equal_nan=True)
    assert floors[COPIED].presence.tolist() == [[1, 1, 0]] * 3
    shares = {k: [] for k in range(3)}
    for case in dataset.select("training"):
        size = (160, 128) if case.id == "case02" else (80, 64)
        for k, point in enumerate(case.points(dataset.scheme)[0]):
            if np.isfinite(point).all():
                shares[k].append([(value + 0.5) / side for value, side in zip(point, size)])
    expected = [[value * side - 0.5 for value, side in zip(np.mean(shares[k], axis=0), (80, 64))] for k in range(3)]
    assert np.allclose(floors[MEAN_SHAPE].predicted, expected)
    assert floors[MEAN_SHAPE].truth is results.truth
    assert np.isnan(results.predicted).all()


def test_with_one_annotated_case_there_is_no_mean_shape(blobs, tmp_path):
    dataset = load_dataset(blobs)
    results = results_of(dataset, "test", 0.5)
    bare = [
        case.model_copy(update={"annotations": []}) if case.split == "training" and case.id != "case01" else case
        for case in dataset.cases
    ]
    one = dataset.model_copy(update={"cases": bare})
    assert list(one_shot_floors(results, one, "case01")) == [COPIED]
    with pytest.raises(ConfigError, match="case00: reader mean has placed no point"):
        one_shot_floors(results, one, "case00")
    with pytest.raises(ConfigError, match="no case nobody"):
        one_shot_floors(results, one, "nobody")
    gone = one.model_copy(update={"root": tmp_path / "elsewhere"})
    unknown = [case.model_copy(update={"size": None}) for case in gone.cases]
    with pytest.raises(ConfigError, match="case case01: its image's size"):
        one_shot_floors(results, gone.model_copy(update={"cases": unknown}), "case01")


def test_the_floors_of_isbi_2015():
    if not (ISBI / "landmarks.csv").is_file():
        pytest.skip("../shared/data/isbi2015 is not here")
    names = {"train": "training", "test1": "test"}
    dataset = import_table(ISBI / "landmarks.csv", ISBI / "images", spacing_mm=0.3, split_names=names)
    floors = one_shot_floors(results_of(dataset, "test", 0.3), dataset, "125")
    assert mre(floors[COPIED].errors_mm()) == pytest.approx(11.08, abs=0.005)
    assert mre(floors[MEAN_SHAPE].errors_mm()) == pytest.approx(9.63, abs=0.005)
