"""Whose a folder is: said once, whole, and to one process at a time."""

from pathlib import Path

import pytest

from monai_landmarks.cli import steps
from monai_landmarks.engines.claim import claim_folder
from monai_landmarks.errors import ConfigError, WriteError


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "run" / "search.json"


def test_the_marker_is_written_once(marker):
    claim_folder(marker, {"space": [1, 2]}, "a search")
    written = marker.stat()
    claim_folder(marker, {"space": [1, 2]}, "a search")
    assert (marker.stat().st_ino, marker.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    for other in ({"space": [1]}, {"space": [1, 2], "seed": 1}, {}):
        with pytest.raises(ConfigError, match=r"a search with other (space|seed) "):
            claim_folder(marker, other, "a search")


def test_a_full_disk_leaves_no_half_marker(marker, monkeypatch):
    def write_half(path, text, **options):
        path.write_bytes(text[:3].encode())
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", write_half)
        with pytest.raises(WriteError, match="free space"):
            claim_folder(marker, {"seed": 0}, "a search")
    assert not marker.exists()
    claim_folder(marker, {"seed": 0}, "a search")


@pytest.mark.parametrize("content", [b"", b'{"seed": ', b"3", b"\xff"])
def test_a_damaged_marker_is_named_with_the_remedy(marker, content):
    marker.parent.mkdir()
    marker.write_bytes(content)
    with pytest.raises(ConfigError, match=r"search\.json cannot be read .*delete that file"):
        claim_folder(marker, {"seed": 0}, "a search")
    marker.unlink()
    claim_folder(marker, {"seed": 0}, "a search")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("a user's own")
    for claim in (
        lambda: claim_folder(tmp_path / "out" / "search.json", {}, "a search"),
        lambda: steps.claim(tmp_path / "out", {}),
    ):
        with pytest.raises(ConfigError, match="out is a file"):
            claim()
    assert (tmp_path / "out").read_text() == "a user's own"


def test_a_demo_names_the_setting_that_differs(tmp_path):
    steps.claim(tmp_path / "demo", {"count": 12, "seed": 0})
    with pytest.raises(ConfigError, match="a demo with other count "):
        steps.claim(tmp_path / "demo", {"count": 13, "seed": 0})
