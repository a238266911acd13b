"""`monai-landmarks readers` and `measure` on a small data set on disk."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from monai_landmarks.cli import measure, readers
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.scheme import Landmark, Scheme

NAMES = ("S", "N", "A", "B")
CALLED = ("sella=S", "nasion=N", "subspinale_A=A", "supramentale_B=B")


@pytest.fixture
def dataset_file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    cases = []
    for i in range(4):
        Image.fromarray(np.zeros((80, 90), dtype=np.uint8)).save(tmp_path / "data" / f"{i}.png")
        base = {"S": (20, 20), "N": (70, 18), "A": (66, 50), "B": (60, 70)}
        annotations = []
        for reader in ("senior", "junior"):
            points = {name: tuple(np.add(xy, rng.normal(size=2))) for name, xy in base.items()}
            annotations.append(Annotation(reader=reader, points=points))
        cases.append(Case(id=f"c{i}", image=f"{i}.png", spacing_mm=(0.3, 0.3), annotations=annotations))
    scheme = Scheme(name="ceph", landmarks=tuple(Landmark(name=n) for n in NAMES))
    path = tmp_path / "data" / "dataset.json"
    LandmarkDataset(scheme=scheme, cases=cases).save(path)
    return path


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    for verb in (readers, measure):
        verb.register(app)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def without_spacing(path: Path) -> LandmarkDataset:
    dataset = load_dataset(path)
    for case in dataset.cases:
        case.spacing_mm = None
    return dataset


def test_readers_writes_tables_page_and_figure(dataset_file: Path, tmp_path: Path) -> None:
    measured = tmp_path / "data" / "measured.json"
    called = [part for text in CALLED for part in ("--called", text)]
    assert run("measure", dataset_file, "--add", "cephalogram", *called, "--save", measured).exit_code == 0
    out = tmp_path / "out"
    result = run("readers", measured, "--output", out)
    assert result.exit_code == 0, result.output
    assert "senior and junior: 4 images, 16 points, MRE" in result.output
    assert sorted(p.name for p in out.iterdir()) == [
        "bland_altman_1.png", "measurements.csv", "readers.csv", "readers.md",
    ]  # fmt: skip
    with (out / "readers.csv").open(newline="") as stream:
        rows = {row["landmark"]: row for row in csv.DictReader(stream)}
    assert list(rows) == ["all", *NAMES]
    dataset = load_dataset(measured)
    points = [np.stack([c.points(dataset.scheme, r)[0] for c in dataset.cases]) for r in ("senior", "junior")]
    apart = 0.3 * np.linalg.norm(points[1] - points[0], axis=-1)
    assert float(rows["all"]["mre"]) == pytest.approx(apart.mean())
    assert float(rows["N"]["sdr_2"]) == pytest.approx((apart[:, 1] < 2).mean())
    assert (rows["all"]["unit"], rows["all"]["spacing_plane"]) == ("mm", "user")
    with (out / "measurements.csv").open(newline="") as stream:
        assert [row["measurement"] for row in csv.DictReader(stream)] == ["SNA", "SNB", "ANB"]
    page = (out / "readers.md").read_text()
    assert "| SNA | deg | 4 |" in page
    assert "![Bland-Altman plots](bland_altman_1.png)" in page
    with Image.open(out / "bland_altman_1.png") as figure:
        assert figure.size[0] > 1000
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables[: 2 + 5]}) == 1


def test_readers_without_spacing_are_in_pixels(dataset_file: Path, tmp_path: Path) -> None:
    without_spacing(dataset_file).save(dataset_file)
    result = run("readers", dataset_file, "--output", tmp_path / "out", "--no-figures")
    assert result.exit_code == 0, result.output
    assert " px, " in result.output
    assert not (tmp_path / "out" / "measurements.csv").exists()
    assert "pixels of the images" in (tmp_path / "out" / "readers.md").read_text()


def test_an_image_that_cannot_be_read_costs_the_millimetres_not_the_comparison(
    dataset_file: Path, tmp_path: Path
) -> None:
    without_spacing(dataset_file).save(dataset_file)
    (tmp_path / "data" / "0.png").write_bytes(b"no image")
    result = run("readers", dataset_file, "--output", tmp_path / "out", "--no-figures")
    assert result.exit_code == 0
    assert "no spacing of c0: " in result.output
    assert "16 points, MRE" in result.output


def test_one_reader_is_said_to_be_too_few(dataset_file: Path, tmp_path: Path) -> None:
    dataset = load_dataset(dataset_file)
    for case in dataset.cases:
        case.annotations = case.annotations[:1]
    dataset.save(dataset_file)
    result = run("readers", dataset_file, "--output", tmp_path / "out")
    assert isinstance(result.exception, ConfigError)
    assert "no image has been read by two readers (readers: senior)" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_figures_need_matplotlib(dataset_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("readers", dataset_file, "--output", tmp_path / "out")
    assert "monai_landmarks[train]" in str(result.exception)


def test_measure_prints_saves_and_writes(dataset_file: Path, tmp_path: Path) -> None:
    called = [part for text in CALLED for part in ("--called", text)]
    new, table = tmp_path / "elsewhere" / "new.json", tmp_path / "values.csv"
    result = run("measure", dataset_file, "--add", "cephalogram", *called, "--save", new, "--csv", table)
    assert result.exit_code == 0, result.output
    assert "ANB" in result.output
    saved = load_dataset(new)
    assert [element.name for element in saved.scheme.measurements] == ["SNA", "SNB", "ANB"]
    assert saved.cases[0].annotations == load_dataset(dataset_file).cases[0].annotations
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    anb = {row["case_id"]: float(row["value"]) for row in rows if row["measurement"] == "ANB"}
    sna = {row["case_id"]: float(row["value"]) for row in rows if row["measurement"] == "SNA"}
    assert all(anb[case] < sna[case] for case in anb)
    again = run("measure", dataset_file, "--add", "cephalogram", *called, "--save", new)
    assert "--force" in str(again.exception)
    assert run("measure", new, "--reader", "senior").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "measures nothing; add a ready set with --add"),
        (("--add", "elbow"), "no set of measurements 'elbow'"),
        (("--add", "cephalogram"), "say which of yours is which"),
        (("--add", "cephalogram", "--called", "sella"), "write the set's name, =, and yours"),
        (("--called", "sella=S"), "name that with --add"),
    ],
)
def test_measure_says_what_is_wrong(dataset_file: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run("measure", dataset_file, *arguments)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_measure_names_an_unknown_reader(dataset_file: Path) -> None:
    called = [part for text in CALLED for part in ("--called", text)]
    result = run("measure", dataset_file, "--add", "cephalogram", *called, "--reader", "nobody")
    assert "no reader is called nobody; choose mean, senior, junior" in str(result.exception)
