import json
from pathlib import Path

import pytest

from monai_landmarks.cli import import_
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError, DatasetError

ISBI = Path(__file__).parents[2].parent / "shared" / "data" / "isbi2015"


@pytest.fixture
def run(caller):
    return caller(import_)


@pytest.fixture
def table(tmp_path):
    rows = ["image,patient,set,a_left_x,a_left_y,a_right_x,a_right_y"]
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for number in range(10):
        (tmp_path / "images" / "sub" / f"{number}.png").write_bytes(bytes([number]))
        rows.append(f"{number},Name{number // 2},{'train' if number < 8 else 'held'},1,2,3,4")
    (tmp_path / "images" / "extra.png").touch()
    path = tmp_path / "points.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_everything_at_once(run, table):
    folder = table.parent
    output = folder / "out" / "d.json"
    options = ["--images", folder / "images", "--output", output, "--spacing", "0.3,0.4"]
    options += ["--split-names", "held=test, train=training", "--validation", "0.25", "--scheme-name", "pelvis"]
    options += ["--origin", "corner", "--patient-map", folder / "secret" / "map.csv", "--leave-out", "9"]
    result = run(table, *options)
    dataset = load_dataset(output)
    assert [len(dataset.select(s)) for s in ("training", "validation", "test")] == [6, 2, 1]
    assert dataset.cases[0].image == "../images/sub/0.png"
    assert dataset.cases[0].spacing_mm == (0.3, 0.4)
    assert dataset.cases[0].annotations[0].points["a_left"] == (0.5, 1.5)
    assert dataset.scheme.name == "pelvis"
    assert "Name" not in output.read_text()
    assert "Name" not in result.output
    assert (folder / "secret" / "map.csv").read_text().splitlines()[1] == "Name0,P0001"
    for part in ("9 cases, 2 landmarks", "training 6 (3 patients), validation 2 (1", "pairs: 1", "2 image(s) of"):
        assert part in result.output
    run(table, *options, error=ConfigError)
    run(table, *options, "--force")
    assert load_dataset(output).digest() == dataset.digest()


def test_images_without_annotations_can_be_cases_too(run, make_blobs, tmp_path):
    folder, images = tmp_path, make_blobs(tmp_path / "data").parent / "images"
    (folder / "one.csv").write_text("image,a_left_x,a_left_y\n03,1,2\n05,1,2\n")
    (images / "notes.txt").write_text("no image")
    options = ["--images", images, "--all-images", "--spacing", "0.5", "--leave-out", "05"]
    result = run(folder / "one.csv", *options, "--output", folder / "d.json")
    dataset = load_dataset(folder / "d.json")
    assert {case.id for case in dataset.cases} == {f"{number:02}" for number in range(14)} - {"05"}
    assert [case.id for case in dataset.cases if case.annotations] == ["03"]
    assert all((case.size, case.spacing_mm, case.split) == ((80, 64), (0.5, 0.5), None) for case in dataset.cases)
    assert all((dataset.root / case.image).is_file() for case in dataset.cases)
    assert "not used: 05.png" in result.output
    # More annotations of the same images, and nothing is lost.
    (folder / "more.csv").write_text("image,a_left_x,a_left_y\n07,3,4\n")
    run(folder / "more.csv", "--merge", folder / "d.json", "--output", folder / "e.json")
    merged = load_dataset(folder / "e.json")
    assert [case.id for case in merged.cases if case.annotations] == ["03", "07"]
    assert len(merged.cases) == 13


def test_copied_images_make_the_data_set_whole(run, table):
    folder = table.parent
    options = ["--images", folder / "images", "--split-names", "held=test", "--copy-images"]
    run(table, *options, "--output", folder / "whole" / "d.json")
    (folder / "whole").rename(folder / "elsewhere")
    dataset = load_dataset(folder / "elsewhere" / "d.json")
    assert dataset.cases[3].image == "images/sub/3.png"
    assert (folder / "elsewhere" / "images" / "sub" / "3.png").read_bytes() == b"\3"
    # Beside the images themselves nothing is copied onto itself.
    run(table, *options, "--output", folder / "d.json")
    assert load_dataset(folder / "d.json").cases[3].image == "images/sub/3.png"


@pytest.mark.parametrize(
    ("options", "error", "part"),
    [
        ([], DatasetError, "split 'held' is unknown"),
        (["--spacing", "0.3mm"], ConfigError, "--spacing: '0.3mm' must be one number"),
        (["--spacing", "1,2,3"], ConfigError, "must be one number"),
        (["--split-names", "held"], ConfigError, "write held=training"),
        (["--split-names", "held=training,train=test", "--ignore-column", "nope"], DatasetError, "nope"),
    ],
)
def test_mistakes_are_errors_and_write_nothing(run, table, options, error, part):
    output = table.parent / "d.json"
    result = run(table, "--images", table.parent / "images", "-o", output, *options, error=error)
    assert part in str(result.exception)
    assert not output.exists()


def test_patients_in_two_splits_are_refused(run, table):
    table.write_text(table.read_text().replace("7,Name3,train", "7,Name3,held"))
    result = run(
        table, "--images", table.parent / "images", "-o", table.parent / "d.json", "--split-names", "held=test",
        error=DatasetError,
    )  # fmt: skip
    assert "patient P0004 is in training and in test" in str(result.exception)


def test_isbi_2015_with_the_documented_command(run, tmp_path):
    if not ISBI.is_dir():
        pytest.skip("needs ../shared/data/isbi2015")
    how_to = (Path(__file__).parents[2] / "docs" / "how-to" / "import.md").read_text()
    block = next(part for part in how_to.split("```") if "import ISBI2015/landmarks.csv" in part)
    words = block.removeprefix("bash").replace("\\\n", " ").split()
    assert words[:2] == ["monai-landmarks", "import"]
    output = tmp_path / "isbi2015.json"
    arguments = [w.replace("ISBI2015", str(ISBI)) for w in words[2:]]
    arguments[arguments.index("--output") + 1] = str(output)
    run(*arguments)
    dataset = load_dataset(output)
    assert dataset.readers == ["senior", "junior"]
    assert [len(dataset.select(s)) for s in ("training", "validation", "test")] == [133, 15, 150]
    assert {case.spacing_mm for case in dataset.cases} == {(0.3, 0.3)}
    assert not {"038", "144"} & {case.id for case in dataset.cases}
    assert json.loads(output.read_text())["version"] == 1
