"""What `search` refuses before it trains (tests/bundles/test_search_bundle.py trains)."""

import shlex
from pathlib import Path

import pytest
from fire.core import Fire
from monai.bundle import ConfigParser

from monai_landmarks.cli import federated, search
from monai_landmarks.engines.search_plan import Search
from monai_landmarks.errors import ConfigError


@pytest.mark.parametrize(
    ("space", "options", "told"),
    [
        ("learning_rat: {low: 0.1, high: 0.2}", (), "learning_rat: no such entry"),
        ("learning_rate: {low: 1e-4, high: 0.2}", (), "learning_rate: low"),
        ("learning_rate: {low: 0.1, high: 0.2}", ("--set", "learning_rate=0.1"), "searched and set"),
        ("learning_rate: {low: 0.1, high: 0.2}", ("--config", "nothing"), "nothing.yaml"),
        (None, (), "does not exist"),
    ],
)
def test_nothing_is_trained_with_a_space_that_cannot_be(caller, blobs, tmp_path, space, options, told):
    if space is not None:
        (tmp_path / "space.yaml").write_text(space)
    arguments = ("search", "label_augmentation", blobs, "--space", tmp_path / "space.yaml", "-o", tmp_path / "out")
    result = caller(search, federated)(*arguments, *options, error=ConfigError)
    assert told in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_the_command_told_at_the_end_holds_what_was_set():
    """As a shell, then monai.bundle take it apart; the latter drops an option whose value is None."""
    plan = Search(folder=Path("out"), dataset_file=Path("my data/dataset.json"), space={})
    settings = ("max_epochs=12", "encoder_weights=None", "decoder_channels=[16, 8]", "schedule=$curriculum.paper()")
    told = search.training_command(plan, settings, Path("out/best.yaml"))
    given = Fire(lambda **options: options, shlex.split(told)[5:])
    assert given.pop("config_file") == ["out/bundle/configs/train.yaml", "out/best.yaml"]
    parser = ConfigParser(given)
    assert parser.get_parsed_content("encoder_weights") is None
    assert {**given, "encoder_weights": None} == {
        "dataset_file": "my data/dataset.json",
        "max_epochs": 12,
        "encoder_weights": None,
        "decoder_channels": [16, 8],
        "schedule": "$curriculum.paper()",
    }
