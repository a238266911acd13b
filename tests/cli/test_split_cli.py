import json

import pytest

from monai_landmarks.cli import split
from monai_landmarks.data.dataset import Case, LandmarkDataset, load_dataset
from monai_landmarks.errors import ConfigError, DatasetError


@pytest.fixture
def run(caller):
    return caller(split)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "x.png").touch()
    cases = [
        Case(id=str(i), image="x.png", patient=f"P{i // 2}", attributes={"sex": "fm"[i % 4 // 2]}) for i in range(40)
    ]
    scheme = {"name": "s", "landmarks": [{"name": "a"}]}
    LandmarkDataset(scheme=scheme, cases=cases).save(tmp_path / "d.json")
    return tmp_path / "d.json"


def sizes(path):
    return [len(load_dataset(path).select(s)) for s in ("training", "validation", "test")]


def test_in_place_but_never_over_splits_that_are_there(run, path):
    result = run(path, "--seed", "3")
    assert sizes(path) == [28, 6, 6]
    assert "training 28 (14 patients), validation 6 (3 patients), test 6 (3 patients)" in result.output
    before = path.read_text()
    result = run(path, "--seed", "4", error=ConfigError)
    assert "40 cases are in a split already; --force" in str(result.exception)
    assert path.read_text() == before
    run(path, "--seed", "4", "--force")
    assert path.read_text() != before
    run(path, "--seed", "3", "--force")
    assert path.read_text() == before


def test_shares_stratum_and_another_file(run, path):
    output = path.parent / "deep" / "s.json"
    shares = ["--training", "0.5", "--validation", "0", "--test", "0.5", "--stratify", "sex"]
    run(path, *shares, "--output", output)
    assert sizes(path) == [0, 0, 0]
    assert sizes(output) == [20, 0, 20]
    assert sum(c.attributes["sex"] == "f" for c in load_dataset(output).select("test")) == 10
    run(path, *shares, "--output", output, error=ConfigError)
    assert load_dataset(output).cases[0].image == "../x.png"


def test_force_mends_patients_in_two_splits_but_no_other_fault(run, path):
    document = json.loads(path.read_text())
    document["cases"][0]["split"], document["cases"][1]["split"] = "training", "test"
    path.write_text(json.dumps(document))
    with pytest.raises(DatasetError):
        load_dataset(path)
    run(path, "--folds", "2", "--output", path.parent / "f.json", error=DatasetError)
    run(path, "--force")
    assert sizes(path) == [28, 6, 6]
    document["cases"][0]["image"] = "gone.png"
    path.write_text(json.dumps(document))
    run(path, "--force", error=DatasetError)


def test_folds_are_written_and_used(run, path):
    run(path, "--training", "0.4", "--validation", "0.4", "--test", "0.2")
    folds = path.parent / "folds.json"
    result = run(path, "--folds", "4", "--seed", "1", "--output", folds)
    assert "4 folds of 8, 8, 8, 8 cases" in result.output
    tests = {case.id for case in load_dataset(path).select("test")}
    one = path.parent / "one.json"
    run(path, "--use-folds", folds, "--fold", "1", "--output", one)
    assert sizes(one) == [24, 8, 8]
    assert {case.id for case in load_dataset(one).select("test")} == tests
    assert {c.id for c in load_dataset(one).select("validation")} == set(json.loads(folds.read_text())["folds"][1])


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--folds", "3"], "name the folds file"),
        (["--use-folds", "f.json"], "name the data set file"),
        (["--folds", "3", "--use-folds", "f.json"], "give one"),
        (["--training", "0.9"], "1 in all"),
    ],
)
def test_mistakes_leave_the_file_alone(run, path, options, part):
    before = path.read_text()
    result = run(path, *options, error=ConfigError)
    assert part in str(result.exception)
    assert path.read_text() == before
