from pathlib import Path

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
        ("pelvis-radiograph-5-seed2", {"preset": "pelvis-radiograph", "count": 5, "seed": 2}),
    ]
