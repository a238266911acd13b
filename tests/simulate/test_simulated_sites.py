from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import typer
from typer.testing import CliRunner

from monai_landmarks.cli.simulate import register
from monai_landmarks.data.dataset import Case, load_dataset
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.simulate import PRESETS, cache, get_preset, simulate_dataset
from monai_landmarks.simulate.dataset import simulate_case
from monai_landmarks.simulate.presets import get_site

Read = tuple[Case, pydicom.Dataset, bytes]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    folder = tmp_path_factory.mktemp("sites")
    found = {}
    for site in ("home", "external"):
        case = simulate_case(folder, "pelvis-radiograph", 3, 0, site)
        path = folder / f"{case.id}.dcm"
        found[site] = case, pydicom.dcmread(path), path.read_bytes()
    return found


def test_every_preset_has_both_sites() -> None:
    assert all({"home", "external"} <= set(preset.sites) for preset in PRESETS.values())


def test_sites_share_no_name_patient_uid_or_image(images: dict[str, Read]) -> None:
    (home, home_file, _), (external, external_file, _) = images["home"], images["external"]
    assert (home.id, home.patient) == ("pelvis-radiograph_0001", "P0001")
    assert (external.id, external.patient) == ("pelvis-radiograph_external_0001", "external-P0001")
    assert external_file.PatientID == external.patient
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert home_file[keyword].value != external_file[keyword].value
    assert (home.attributes["site"], external.attributes["site"]) == ("home", "external")
    assert home.annotations != external.annotations


def test_another_site_is_another_patient_not_the_same_one_taken_otherwise() -> None:
    """Were the random numbers home's, an external site with home's ranges would give home's images again."""
    preset = get_preset("pelvis-radiograph")
    home, external = (get_site(preset, site)(np.random.default_rng([3, 0])) for site in ("home", "external"))
    assert not np.array_equal(home.pixels, external.pixels)


def test_a_site_is_deterministic(images: dict[str, Read], tmp_path: Path) -> None:
    case = simulate_case(tmp_path, "pelvis-radiograph", 3, 0, "external")
    before, _, content = images["external"]
    assert case.annotations == before.annotations
    assert (tmp_path / f"{case.id}.dcm").read_bytes() == content


def test_an_unknown_site_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no site 'moon'; choose one of: clinic, external, home"):
        simulate_dataset(tmp_path / "out", site="moon")
    assert not (tmp_path / "out").exists()


def test_external_data_are_all_test_and_never_taken_for_home(tmp_path: Path) -> None:
    file = simulate_dataset(tmp_path, count=2, seed=4, workers=1, progress=False, site="external")
    assert {case.split for case in load_dataset(file).cases} == {"test"}
    assert simulate_dataset(tmp_path, count=2, seed=4, site="external") == file
    with pytest.raises(DatasetError, match="another data set"):
        simulate_dataset(tmp_path, count=2, seed=4, split=(0, 0, 1))


def test_data_sets_from_before_sites_are_home_s(tmp_path: Path) -> None:
    file = simulate_dataset(tmp_path, count=1, seed=4, workers=1, progress=False)
    old = load_dataset(file)
    del old.cases[0].attributes["site"]
    old.save(file)
    assert simulate_dataset(tmp_path, count=1, seed=4) == file
    with pytest.raises(DatasetError, match="another data set"):
        simulate_dataset(tmp_path, count=1, seed=4, site="external", split=(1, 0, 0))


def test_the_cache_keeps_sites_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_LANDMARKS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "simulate_dataset", lambda folder, **options: folder / options["site"])
    home, external = (cache.cached_dataset("knee-radiograph", 5, 2, site=site) for site in ("home", "external"))
    assert home == tmp_path / "knee-radiograph-5-seed2" / "home"
    assert external == tmp_path / "knee-radiograph-external-5-seed2" / "external"


def test_command_line_takes_the_site(tmp_path: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    out = str(tmp_path / "out")
    arguments = ["simulate", out, "--count", "1", "--workers", "1", "--site", "external"]
    done = CliRunner().invoke(app, [*arguments, "--preset", "knee-radiograph"])
    assert done.exit_code == 0, done.output
    (case,) = load_dataset(tmp_path / "out" / "dataset.json").cases
    assert (case.split, case.attributes["site"]) == ("test", "external")
    assert isinstance(CliRunner().invoke(app, [*arguments[:-1], "moon"]).exception, ConfigError)
