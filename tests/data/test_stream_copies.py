"""Several files of one DICOM image: the first that can be read is used, and the rest is told."""

import pytest

from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.transforms.load import LoadRadiographd


@pytest.fixture
def folder(make_dicom, tmp_path):
    """a.dcm and b.dcm, cut short in their pixels, and the intact c.dcm and d.dcm, all one image."""
    for name in "abcd":
        make_dicom(name=f"in/{name}.dcm", instance="1.2.1")
    for name in "ab":
        path = tmp_path / "in" / f"{name}.dcm"
        path.write_bytes(path.read_bytes()[:-100])
    return tmp_path / "in"


def test_an_intact_copy_is_used_and_the_broken_one_told(folder):
    stream = RadiographStream([folder], LoadRadiographd())
    (item,) = stream
    assert (item["case_id"], item["file"], item["index"]) == ("c.dcm", str(folder / "c.dcm"), 0)
    assert stream.failed == []
    reasons = {path.name: reason for path, reason in stream.skipped}
    assert reasons.keys() == {"a.dcm", "b.dcm", "d.dcm"}
    assert reasons["a.dcm"].startswith(f"its copy {folder / 'c.dcm'} is used instead: {folder / 'a.dcm'}: the pixel")
    assert reasons["b.dcm"] == reasons["d.dcm"] == f"the same image as {folder / 'c.dcm'}"


def test_without_an_intact_copy_the_first_has_failed(folder):
    for name in "cd":
        (folder / f"{name}.dcm").unlink()
    stream = RadiographStream([folder], LoadRadiographd())
    assert list(stream) == []
    ((path, reason),) = stream.failed
    assert path == folder / "a.dcm"
    assert "damaged or cut short" in reason
    assert stream.skipped == [(folder / "b.dcm", f"the same image as {folder / 'a.dcm'}")]


def test_an_intact_first_file_keeps_its_copies_unread(folder):
    (folder / "a.dcm").write_bytes((folder / "c.dcm").read_bytes())
    stream = RadiographStream([folder], LoadRadiographd())
    assert [item["case_id"] for item in stream] == ["a.dcm"]
    assert stream.failed == []
    assert {reason for _, reason in stream.skipped} == {f"the same image as {folder / 'a.dcm'}"}
