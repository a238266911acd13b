import json
from collections import Counter

import numpy as np
import pytest

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.splits import (
    apply_fold,
    assign_splits,
    hold_out,
    load_folds,
    make_folds,
    save_folds,
)
from monai_landmarks.errors import ConfigError, DatasetError

SHARES = {"training": 0.7, "validation": 0.15, "test": 0.15}


def dataset(patients=100, images=1, attributes=lambda i: {}, split=lambda i: None):
    """`images` cases of each patient; attributes and split by the patient's number."""
    cases = [
        Case(id=f"c{i}_{j}", image="x", patient=f"P{i:04}", attributes=attributes(i), split=split(i))
        for i in range(patients)
        for j in range(images)
    ]
    return LandmarkDataset(scheme={"name": "s", "landmarks": [{"name": "a"}]}, cases=cases)


def counts(data):
    return Counter(case.split for case in data.cases)


def splits_of_patients(data):
    found = {}
    for case in data.cases:
        found.setdefault(case.patient_key, set()).add(case.split)
    return found


def test_shares_are_met_and_patients_stay_together():
    data = assign_splits(dataset(100, 3), SHARES, seed=1)
    assert counts(data) == {"training": 210, "validation": 45, "test": 45}
    assert all(len(splits) == 1 for splits in splits_of_patients(data).values())


def test_a_function_of_the_seed_and_not_of_the_order():
    data = dataset(60)
    split_of = {c.id: c.split for c in assign_splits(data, SHARES, seed=4).cases}
    shuffled = data.model_copy(update={"cases": data.cases[::-1]})
    assert {c.id: c.split for c in assign_splits(shuffled, SHARES, seed=4).cases} == split_of
    assert {c.id: c.split for c in assign_splits(data, SHARES, seed=5).cases} != split_of
    assert all(case.split is None for case in data.cases), "the argument is left as it is"


def test_every_patient_has_the_same_chance():
    data = dataset(20)
    tested = Counter(c.id for seed in range(400) for c in assign_splits(data, SHARES, seed).cases if c.split == "test")
    # 20 patients, 3 tested a time: 60 expected each, standard deviation sqrt(400 * .15 * .85) = 7.1
    assert min(tested[c.id] for c in data.cases) > 60 - 4.5 * 7.1
    assert max(tested.values()) < 60 + 4.5 * 7.1


def test_unequal_numbers_of_images_are_balanced():
    sizes = np.random.default_rng(0).integers(1, 9, 80)
    cases = [Case(id=f"{i}_{j}", image="x", patient=f"P{i}") for i, n in enumerate(sizes) for j in range(n)]
    data = dataset(1).model_copy(update={"cases": cases})
    share = counts(assign_splits(data, SHARES, seed=0))
    for name, wanted in SHARES.items():
        assert abs(share[name] - wanted * len(cases)) <= 8


@pytest.mark.parametrize("seed", range(5))
def test_strata_keep_the_shares(seed):
    data = dataset(150, attributes=lambda i: {"grade": "abc"[min(i % 5, 2)]})
    split = assign_splits(data, SHARES, seed, stratify="grade")
    for grade, size in (("a", 30), ("b", 30), ("c", 90)):
        found = Counter(c.split for c in split.cases if c.attributes["grade"] == grade)
        for name, share in SHARES.items():
            assert abs(found[name] - share * size) < 2.01


def test_continuous_attributes_are_binned_and_missing_ones_are_a_stratum():
    data = dataset(200, attributes=lambda i: {"age": i * 0.37} if i % 4 else {})
    split = assign_splits(data, {"training": 0.5, "test": 0.5}, 0, stratify="age")
    ages = {n: [c.attributes["age"] for c in split.select(n) if c.attributes] for n in ("training", "test")}
    assert abs(np.mean(ages["training"]) - np.mean(ages["test"])) < 0.1 * np.std(ages["test"]) + 3
    for low, high in zip((0, 15, 30, 45, 60), (15, 30, 45, 60, 75)):
        inside = [sum(low <= age < high for age in ages[name]) for name in ages]
        assert abs(inside[0] - inside[1]) <= 3
    missing = Counter(c.split for c in split.cases if not c.attributes)
    assert abs(missing["training"] - missing["test"]) <= 2


def test_a_zero_share_gets_nothing():
    assert counts(assign_splits(dataset(10), {"training": 0.8, "test": 0.2, "validation": 0}, 0)) == {
        "training": 8,
        "test": 2,
    }


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (({"train": 1.0}, 0), "no split is called train"),
        (({"training": 0.7, "test": 0.2}, 0), "1 in all, not 0.9"),
        (({"training": 1.5, "test": -0.5}, 0), "from 0 to 1"),
        ((SHARES, 0, "age"), "no case has the attribute age; known are none"),
    ],
)
def test_impossible_splits(arguments, match):
    with pytest.raises(ConfigError, match=match):
        assign_splits(dataset(10), *arguments)


def test_too_few_patients():
    with pytest.raises(ConfigError, match="2 patients are too few: nothing is left for"):
        assign_splits(dataset(2, 50), SHARES, 0)


def test_hold_out_moves_training_patients_only():
    data = dataset(100, 2, split=lambda i: "training" if i < 60 else "test")
    held = hold_out(data, 0.1, seed=0)
    assert counts(held) == {"training": 108, "validation": 12, "test": 80}
    assert all(len(splits) == 1 for splits in splits_of_patients(held).values())
    assert {c.id for c in held.select("test")} == {c.id for c in data.select("test")}
    with pytest.raises(ConfigError, match="12 cases are in validation already"):
        hold_out(held, 0.1, seed=0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        hold_out(data, 1.0, seed=0)
    with pytest.raises(ConfigError, match="0 patients are too few"):
        hold_out(dataset(3), 0.1, seed=0)


def test_folds_cover_all_but_test_patient_by_patient(tmp_path):
    data = dataset(23, 2, split=lambda i: "test" if i >= 20 else None)
    folds = make_folds(data, 5, seed=0)
    assert [len(fold) for fold in folds["folds"]] == [8] * 5
    listed = [case for fold in folds["folds"] for case in fold]
    assert sorted(listed) == sorted(c.id for c in data.cases if c.split != "test")
    assert folds["dataset"] == data.digest()
    save_folds(folds, tmp_path / "deep" / "folds.json")
    assert load_folds(tmp_path / "deep" / "folds.json", data) == folds
    assert make_folds(data, 5, seed=1)["folds"] != folds["folds"]
    seen = []
    for number in range(5):
        applied = apply_fold(data, folds, number)
        assert counts(applied) == {"training": 32, "validation": 8, "test": 6}
        assert all(len(splits) == 1 for splits in splits_of_patients(applied).values())
        seen += [c.id for c in applied.select("validation")]
    assert sorted(seen) == sorted(listed)
    with pytest.raises(ConfigError, match="fold 5 does not exist; choose from 0 to 4"):
        apply_fold(data, folds, 5)


def test_folds_survive_a_corrected_attribute_but_not_another_set_of_cases(tmp_path):
    data = dataset(10)
    save_folds(make_folds(data, 2, 0), tmp_path / "f.json")
    data.cases[0].attributes["note"] = "corrected"
    load_folds(tmp_path / "f.json", data)
    with pytest.raises(DatasetError) as caught:
        load_folds(tmp_path / "f.json", dataset(11))
    assert caught.value.faults == ["case c10_0: is in no fold; make the folds again"]


@pytest.mark.parametrize("k", [0, 1, 6])
def test_impossible_numbers_of_folds(k):
    with pytest.raises(ConfigError, match="choose from 2 to 5"):
        make_folds(dataset(5), k, 0)


def test_folds_files_with_faults(tmp_path):
    data = dataset(3, 2)
    path = tmp_path / "f.json"
    folds = [["c0_0", "c1_0", "c1_1"], ["c0_1", "c1_1", "zzz"], []]
    path.write_text(json.dumps({"format": "monai_landmarks.folds", "version": 1, "dataset": "", "folds": folds}))
    with pytest.raises(DatasetError) as caught:
        load_folds(path, data)
    assert set(caught.value.faults) == {
        "fold 2: is empty",
        "case c1_1: is listed twice",
        "case zzz: is in test or not in the data set",
        "case c2_0: is in no fold; make the folds again",
        "case c2_1: is in no fold; make the folds again",
        "patient P0000: is in folds [0, 1]; keep one",
        "patient P0001: is in folds [0, 1]; keep one",
    }
    for text in ("{", "[]", '{"format": "monai_landmarks.folds", "version": 2, "folds": []}'):
        path.write_text(text)
        with pytest.raises(DatasetError, match=r"folds"):
            load_folds(path, data)
