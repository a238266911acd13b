import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.discover import discover
from monai_landmarks.errors import ReadError


def no_image(uid):
    def change(ds):
        del ds.PixelData, ds.Rows, ds.Columns
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid

    return change


def names(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


@pytest.fixture
def export(make_dicom, tmp_path):
    """A folder as a PACS writes it, with everything people leave in it."""
    make_dicom(name="export/S1/IM0002", instance="1.2.2")
    make_dicom(name="export/S1/IM0001", instance="1.2.1")
    make_dicom(name="export/S2/again.dcm", instance="1.2.1")
    make_dicom(name="export/S2/ct", instance="1.2.3", SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT")
    make_dicom(name="export/DICOMDIR", instance="1.2.4", change=no_image("1.2.840.10008.1.3.10"))
    make_dicom(name="export/S1/KO", instance="1.2.5", change=no_image("1.2.840.10008.5.1.4.1.1.88.59"))
    make_dicom(name="export/S1/PR", instance="1.2.6", change=no_image("1.2.840.10008.5.1.4.1.1.11.1"))
    make_dicom(name="export/S1/SR", instance="1.2.7", change=no_image("1.2.840.10008.5.1.4.1.1.88.22"))
    make_dicom(name="export/S1/PDF", instance="1.2.8", change=no_image("1.2.840.10008.5.1.4.1.1.104.1"))
    make_dicom(name="export/S1/SEG", instance="1.2.9", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    make_dicom(name="export/.hidden/x.dcm", instance="1.2.10")
    root = tmp_path / "export"
    whole = (root / "S1" / "IM0001").read_bytes()
    (root / "S1" / "cut.dcm").write_bytes(whole[:500])
    make_dicom(name="export/S1/nopixels", instance="1.2.11", change=lambda ds: delattr(ds, "PixelData"))
    (root / "S2" / "empty.dcm").touch()
    (root / "S2" / "empty").touch()
    (root / "S2" / "renamed.dcm").write_text("no image\n" * 50)
    (root / "S2" / "README.txt").write_text("made by us")
    (root / ".DS_Store").write_bytes(b"x")
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(root / "S2" / "photo.png")
    return root


def test_a_pacs_export_works_as_it_is(export):
    found = discover([export])
    assert names(found.files, export) == [
        "S1/IM0001",
        "S1/IM0002",
        "S1/cut.dcm",
        "S1/nopixels",
        "S2/ct",
        "S2/empty.dcm",
        "S2/photo.png",
        "S2/renamed.dcm",
    ]
    reasons = dict(zip(names([path for path, _ in found.skipped], export), (reason for _, reason in found.skipped)))
    assert reasons == {
        "DICOMDIR": "not a radiograph (DICOMDIR, an index of other files)",
        "S1/KO": "not a radiograph (Key Object Selection Document)",
        "S1/PDF": "not a radiograph (Encapsulated PDF)",
        "S1/PR": "not a radiograph (Grayscale Softcopy Presentation State)",
        "S1/SEG": "not a radiograph (Segmentation)",
        "S1/SR": "not a radiograph (Enhanced SR)",
        "S2/README.txt": "not an image file",
        "S2/again.dcm": f"the same image as {export / 'S1' / 'IM0001'}",
        "S2/empty": "empty file",
    }


def test_files_and_folders_mix_and_count_once(export):
    single = export / "S2" / "photo.png"
    found = discover([single, export / "S2", str(single)])
    assert names(found.files, export) == ["S2/photo.png", "S2/again.dcm", "S2/ct", "S2/empty.dcm", "S2/renamed.dcm"]
    assert discover([export / "S2" / "README.txt"]).skipped == [(export / "S2" / "README.txt", "not an image file")]


def test_a_hidden_file_that_is_named_is_read(export):
    hidden = export / ".hidden" / "x.dcm"
    assert discover([hidden]).files == [hidden]


def test_missing_inputs_are_one_error(export):
    with pytest.raises(ReadError, match=r"nowhere, .*neither: no such file or folder"):
        discover([export / "nowhere", export, export / "neither"])


def test_links_are_followed_but_not_in_circles(export, tmp_path):
    (export / "S2" / "loop").symlink_to(export, target_is_directory=True)
    plain = len(discover([export / "S1"]).files)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "study").symlink_to(export / "S1", target_is_directory=True)
    (linked / "broken.dcm").symlink_to(tmp_path / "gone")
    found = discover([linked])
    assert len(found.files) == plain
    assert found.skipped[-1 if found.skipped[-1][0].name == "broken.dcm" else 0] == (
        linked / "broken.dcm",
        "not a regular file",
    )
    assert len(discover([export]).files) == 8


def test_nothing_in_nothing_out(tmp_path):
    found = discover([tmp_path])
    assert (found.files, found.skipped) == ([], [])


def test_a_damaged_header_is_left_to_the_reader(make_dicom):
    path = make_dicom()
    content = path.read_bytes()
    group = content.index(b"\x02\x00\x10\x00UI") + 8
    path.write_bytes(content[:group] + b"\xff" * 40 + content[group + 40 :])
    assert discover([path]).files == [path]


def test_a_file_that_cannot_be_opened_is_left_to_the_reader(make_dicom, monkeypatch):
    path = make_dicom()

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("monai_landmarks.data.discover.sniff", refuse)
    assert discover([path]).files == [path]
