from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from monai_landmarks.cli.simulate import register
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.simulate import PRESETS, get_preset, shape_model, simulate_dataset
from monai_landmarks.simulate import dataset as simulation
from monai_landmarks.simulate.dataset import assign_splits


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((folder / "images").iterdir())}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("three")
    assert simulate_dataset(out, count=3, seed=4, workers=1, progress=False) == out / "dataset.json"
    return out


def test_data_set_is_valid_and_complete(three: Path) -> None:
    dataset = load_dataset(three / "dataset.json")
    assert dataset.scheme == get_preset("pelvis-radiograph").scheme
    assert dataset.scope == {"modality": ["DX"], "body_part": ["PELVIS"], "view": ["AP"]}
    assert dataset.readers == ["simulator"]
    assert [case.patient for case in dataset.cases] == ["P0001", "P0002", "P0003"]
    assert {case.split for case in dataset.cases} == {"training", "validation", "test"}
    for case in dataset.cases:
        file = pydicom.dcmread(three / case.image)
        assert (file.Rows, file.Columns) == case.size
        assert file.PatientID == case.patient
        assert case.side == "both"
        points = np.array(list(case.annotations[0].points.values()))
        assert len(points) >= 12
        assert (points >= -0.5).all()
        assert (points < np.array(case.size)[::-1]).all()


def test_same_seed_same_bytes_whatever_count_and_workers(three: Path, tmp_path: Path) -> None:
    simulate_dataset(tmp_path, count=2, seed=4, workers=2, progress=False)
    first, again = digests(three), digests(tmp_path)
    assert again == {name: first[name] for name in again}
    cases, others = (load_dataset(folder / "dataset.json").cases for folder in (three, tmp_path))
    for case, other in zip(cases, others):
        assert case.annotations == other.annotations
    assert len(set(first.values())) == 3


def test_another_seed_gives_other_images(three: Path, tmp_path: Path) -> None:
    simulate_dataset(tmp_path, count=1, seed=5, workers=1, progress=False)
    assert not set(digests(tmp_path).values()) & set(digests(three).values())
    (name,) = digests(tmp_path)
    uids = [pydicom.dcmread(folder / "images" / name).SOPInstanceUID for folder in (three, tmp_path)]
    assert uids[0] != uids[1]


def test_finished_data_set_is_kept_and_another_refused(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(three)
    monkeypatch.setattr(simulation, "_simulate_all", lambda *args: pytest.fail("simulated again"))
    assert simulate_dataset(three, count=3, seed=4) == three / "dataset.json"
    for change in ({"seed": 5}, {"count": 4}, {"split": (1.0, 0.0, 0.0)}):
        with pytest.raises(DatasetError, match=r"another data set.*choose another folder"):
            simulate_dataset(three, **{"count": 3, "seed": 4, **change})
    monkeypatch.setattr(simulation, "REVISION", 999)
    with pytest.raises(DatasetError, match="another data set"):
        simulate_dataset(three, count=3, seed=4)
    assert digests(three) == before


def test_wrong_arguments_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [({"preset": "elbow"}, "pelvis-radiograph"), ({"count": 0}, "at least 1"), ({"workers": 0}, "one a core"),
              ({"seed": -1}, "negative"), ({"split": (0.0, 0.0, 0.0)}, "three shares")]  # fmt: skip
    for arguments, message in faults:
        with pytest.raises(ConfigError, match=message):
            simulate_dataset(tmp_path, **arguments)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot write"):
        simulate_dataset(tmp_path / "file", count=1)
    monkeypatch.setattr(shape_model, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="musculoskeletal-models"):
        simulate_dataset(tmp_path / "out", count=1)
    assert not (tmp_path / "out").exists()


def test_dead_worker_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="worker process died"), simulation._pool(1) as pool:
        pool.submit(__import__("os")._exit, 1).result()


def test_splits_are_exact_deterministic_and_never_empty() -> None:
    splits = assign_splits(200, 0, (0.7, 0.15, 0.15))
    assert Counter(splits) == {"training": 140, "validation": 30, "test": 30}
    assert splits == assign_splits(200, 0, (0.7, 0.15, 0.15))
    assert splits != assign_splits(200, 1, (0.7, 0.15, 0.15))
    assert Counter(assign_splits(3, 0, (0.8, 0.1, 0.1))) == {"training": 1, "validation": 1, "test": 1}
    assert Counter(assign_splits(7, 0, (1.0, 0.0, 0.0))) == {"training": 7}
    assert Counter(assign_splits(1, 0, (0.7, 0.15, 0.15))).total() == 1


def test_bone_is_bright_at_its_landmarks(three: Path) -> None:
    """The image agrees with its points: the head's centre is brighter than the soft tissue below the ischium."""
    for case in load_dataset(three / "dataset.json").cases:
        file = pydicom.dcmread(three / case.image)
        pixels = file.pixel_array.astype(float)
        if file.PhotometricInterpretation == "MONOCHROME1":
            pixels = 4095 - pixels
        points = case.annotations[0].points
        assert pixels.std() > 300
        for side in ("left", "right"):
            if {f"femoral_head_centre_{side}", f"ischium_inferior_{side}"} <= set(points):
                x, y = (round(v) for v in points[f"femoral_head_centre_{side}"])
                low_x, low_y = (round(v) for v in points[f"ischium_inferior_{side}"])
                head = pixels[y - 8 : y + 9, x - 8 : x + 9].mean()
                below = pixels[low_y + 20 : low_y + 30, low_x - 8 : low_x + 9].mean()
                assert head > below


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    runner = CliRunner()
    listed = runner.invoke(app, ["simulate", "--list-presets"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in PRESETS)
    out = tmp_path / "out"
    done = runner.invoke(app, ["simulate", str(out), "--count", "1", "--seed", "9", "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert (out / "dataset.json").is_file()
    assert str(out / "dataset.json") in done.output.replace("\n", "")
    assert isinstance(runner.invoke(app, ["simulate"]).exception, ConfigError)
    assert isinstance(runner.invoke(app, ["simulate", str(out), "--count", "2"]).exception, DatasetError)
