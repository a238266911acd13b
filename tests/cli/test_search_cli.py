"""What `search` refuses before it trains (tests/bundles/test_search_bundle.py trains)."""

import pytest

from monai_landmarks.cli import federated, search
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
