"""The speed table: its arithmetic, its inputs, and every part in small."""

import numpy as np
import pytest
import speed
import speed_data
from interleaved import Pairs
from pydicom import dcmread
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGExtended12Bit, RLELossless
from speed_reading import verdict
from speed_row import HEAD, Row, markdown, paired
from speed_training import LoadedBatches

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.reader import read_radiograph


def test_times_are_of_one_image():
    fields = paired(Pairs([0.4, 0.6, 0.5, 0.4], [0.2, 0.2, 0.25, 0.4]), images=2)
    assert (fields["ms"], fields["other_ms"]) == pytest.approx((225.0, 112.5))
    assert fields["ratio"] == 2.0


def test_jpeg_2000_is_held_against_a_ratio_and_others_against_a_difference():
    of = {"ms": 100.0, "other_ms": 10.0, "ratio": 10.0}
    pixels = 2000 * 2000
    assert verdict(JPEG2000Lossless, pixels, of)[1] is False
    assert verdict(JPEG2000, pixels, of | {"ratio": 1.3})[1] is True
    assert verdict(RLELossless, pixels, of)[1] is False
    assert verdict(RLELossless, pixels, of | {"ms": 90.0})[1] is True
    # Twice the pixels may take twice as much longer, fewer no less.
    assert verdict(RLELossless, 2 * pixels, of)[1] is True
    assert verdict(RLELossless, pixels // 4, of | {"ms": 90.0})[1] is True


def test_every_row_has_the_heads_cells():
    full = Row(part="a", what="b", size="c", landmarks=5, ms=2.0, against="d", other_ms=1.0, ratio=2.0,
               quartiles=(1.0, 3.0), target="<= 1", holds=False, mb=10.0)  # fmt: skip
    lines = markdown([full, Row(part="a", what="b", size="c", mb=3.0)])
    assert {line.count("|") for line in lines} == {len(HEAD) + 1}
    assert "| 500 |" in lines[2]
    assert "<= 1: **no**" in lines[2]


def test_a_dicom_of_every_syntax_shows_the_same_image(tmp_path):
    files = speed_data.write_dicoms(tmp_path, 120)
    assert set(files) == set(speed_data.SYNTAXES)
    exact = read_radiograph(files[ExplicitVRLittleEndian]).pixels
    assert exact.shape == (1, 120, 120)
    for syntax, path in files.items():
        assert dcmread(path).file_meta.TransferSyntaxUID == syntax
        difference = np.abs(read_radiograph(path).pixels - exact).mean()
        assert difference < (40 if syntax in (JPEG2000, JPEGExtended12Bit) else 1e-6), syntax.name


def test_made_up_data_hold_as_many_landmarks_as_asked_for(tmp_path):
    dataset = load_dataset(speed_data.make_dataset(tmp_path, 3, 7, (64, 96)))
    assert len(dataset.names) == 7
    assert [len(dataset.select(split)) for split in ("training", "validation")] == [3, 1]
    assert all(case.size == (64, 96) for case in dataset.cases)


def test_the_loader_begins_again_after_its_last_batch():
    batches = LoadedBatches({}, lambda: None, 2, [{"n": 0}, {"n": 1}])
    assert [batches.hand()["n"] for _ in range(5)] == [0, 1, 0, 1, 0]


def test_growth_has_every_landmark_count_once_and_every_side():
    grid = list(speed.Size().grid())
    assert [(side, landmarks) for side, _, landmarks, _ in grid] == [
        (256, 5), (256, 20), (256, 68), (512, 20), (1024, 20)
    ]  # fmt: skip
    assert [pairs for *_, pairs in grid] == [30, 30, 30, 15, 7]


def test_a_part_measured_again_leaves_the_others_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    seen = iter("abc")
    for name in ("reading", "regions"):
        row = lambda *_, name=name: iter([Row(part=name, what=next(seen), size="")])  # noqa: E731
        monkeypatch.setitem(speed.PARTS, name, row)
    speed.run("speed", speed.TINY, ["regions", "reading"], tmp_path)
    rows = speed.run("speed", speed.TINY, ["regions"], tmp_path)
    assert [(row.part, row.what) for row in rows] == [("reading", "b"), ("regions", "c")]
    # Of other sizes: not in one table.
    assert len(speed.run("speed", speed.Size(), [], tmp_path)) == 0


@pytest.mark.slow
def test_every_part_in_small(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["speed.py", "--tiny"])
    speed.main()
    table = tmp_path / "runs" / "benchmarks" / "speed_tiny.md"
    lines = table.read_text().splitlines()[2:]
    assert {line.split("|")[1].strip() for line in lines} == set(speed.PARTS)
    assert all(float(line.split("|")[-2]) > 100 for line in lines if line.startswith("| memory"))
