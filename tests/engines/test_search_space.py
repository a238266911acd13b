"""The file of what a search may try."""

import pytest
from optuna.trial import FixedTrial

from monai_landmarks.engines.search_space import read_space
from monai_landmarks.errors import ConfigError


def space(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return read_space(path)


def test_ranges_and_choices(tmp_path):
    found = space(
        tmp_path,
        "learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}\n"
        "batch_size: {low: 2, high: 8, step: 2}\n"
        "decoder_channels: {choices: [[64, 32], [128, 64]]}\n"
        "schedule: {choices: [$curriculum.constant(0.0), '@other']}\n",
    )
    trial = FixedTrial(
        {"learning_rate": 0.001, "batch_size": 4, "decoder_channels": "[128, 64]", "schedule": '"@other"'}
    )
    values = {key: entry.suggest(trial, key) for key, entry in found.items()}
    assert values == {"learning_rate": 0.001, "batch_size": 4, "decoder_channels": [128, 64], "schedule": "@other"}
    assert isinstance(values["batch_size"], int)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: {low: 1e-3, high: 1.0}", "a: low"),
        ("a: {choices: [1e-3, 1.0e-2]}", "write it with a point"),
        ("a: {low: 2, high: 1}", "not below"),
        ("a: {low: 0.0, high: 1.0, log: true}", "above 0"),
        ("a: {low: 1, high: 4, log: true, step: 2}", "no step"),
        ("a: {low: 1}", "a: high"),
        ("a: {low: 1, high: 2, hihg: 3}", "hihg"),
        ("a: {choices: [1]}", "at least 2"),
        ("a: 3", "a:"),
        ("a: {low: 1.0, high: .inf}", "a: high .*finite"),
        ("a: {low: .nan, high: 1.0}", "a: low .*finite"),
        ("a: {low: 0.0, high: 1.0, step: .inf}", "a: step .*finite"),
        ("a: {low: 2026-01-01, high: 2026-02-01}", "a: low"),
        ("a: {choices: [2026-01-01, 2026-02-01]}", "a: choices 0 .*JSON"),
        ("a: {choices: [1.0, [.nan]]}", "a: choices 1 .*finite"),
        ("- a", "one config entry a line"),
        ("", "one config entry a line"),
        ("a: {", "no readable YAML"),
    ],
)
def test_what_cannot_be_searched_is_named(tmp_path, text, told):
    with pytest.raises(ConfigError, match=told):
        space(tmp_path, text)


def test_every_fault_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"a: high.*b: .*not below"):
        space(tmp_path, "a: {low: 1}\nb: {low: 2, high: 1}\n")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"space\.yaml does not exist"):
        read_space(tmp_path / "space.yaml")
