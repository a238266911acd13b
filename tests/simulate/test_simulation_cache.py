import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monai_landmarks.errors import ConfigError
from monai_landmarks.simulate import cache


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MONAI_LANDMARKS_CACHE", str(tmp_path / "own"))
    assert cache.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("MONAI_LANDMARKS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "monai_landmarks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder() == Path.home() / ".cache" / "monai_landmarks"


def test_a_data_set_is_asked_for_by_preset_count_and_seed(monkeypatch, tmp_path):
    asked = []

    def simulate(folder, **options):
        asked.append((folder.name, options))
        return folder / "dataset.json"

    monkeypatch.setenv("MONAI_LANDMARKS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "simulate_dataset", simulate)
    path = cache.cached_dataset("pelvis-radiograph", count=5, seed=2)
    assert path == tmp_path / "pelvis-radiograph-5-seed2" / "dataset.json"
    assert asked == [
        ("pelvis-radiograph-5-seed2", {"preset": "pelvis-radiograph", "count": 5, "seed": 2, "site": "home"}),
    ]


def test_several_at_once_simulate_once(monkeypatch, tmp_path):
    made, inside = [], []

    def simulate(folder, **options):
        inside.append(folder)
        assert len(inside) == 1, "two simulate into one folder"
        if not (folder / "dataset.json").is_file():
            made.append(folder)
            folder.mkdir(parents=True)
            time.sleep(0.2)
            (folder / "dataset.json").write_text("{}")
        inside.pop()
        return folder / "dataset.json"

    monkeypatch.setenv("MONAI_LANDMARKS_CACHE", str(tmp_path / "new" / "cache"))
    monkeypatch.setattr(cache, "simulate_dataset", simulate)
    with ThreadPoolExecutor(3) as pool:
        paths = list(pool.map(lambda _: cache.cached_dataset("pelvis-radiograph", count=5, seed=2), range(3)))
    assert len(made) == 1
    assert set(paths) == {made[0] / "dataset.json"}


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MONAI_LANDMARKS_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"MONAI_LANDMARKS_CACHE"):
        cache.cached_dataset("pelvis-radiograph", count=5, seed=2)


@pytest.mark.parametrize("asked", [{"seed": "/../../../x"}, {"count": "/../x"}, {"site": "../x"}, {"preset": "../x"}])
def test_nothing_leads_out_of_the_cache(monkeypatch, tmp_path, asked):
    """A bundle's config may call it, and its lock file is made before anything is simulated."""
    monkeypatch.setenv("MONAI_LANDMARKS_CACHE", str(tmp_path / "a" / "b"))
    with pytest.raises((ConfigError, ValueError)):
        cache.cached_dataset(**{"preset": "pelvis-radiograph", "count": 1, "seed": 0} | asked)
    assert not list(tmp_path.iterdir())
