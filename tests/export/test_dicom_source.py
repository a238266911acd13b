import highdicom as hd
import pydicom
import pytest
from dicom_samples import predicted
from pydicom.dataset import Dataset

from monai_landmarks.data.quiet import quiet
from monai_landmarks.errors import ConfigError
from monai_landmarks.export.dicom import writers
from monai_landmarks.export.kinds import DicomResult, result_kinds
from monai_landmarks.export.source import OPTIONAL, REQUIRED, read_source


@pytest.fixture
def results(image_file, write):
    def make(**changes):
        files, notes = write(image_file(**changes), points=())
        return {kind: pydicom.dcmread(file) for kind, file in files.items()}, notes

    return make


def test_patient_and_study_come_from_the_image(image_file, write):
    path = image_file(PatientAge="050Y", StudyDescription="Hip", PatientComments="of nobody's concern")
    files, notes = write(path)
    source = pydicom.dcmread(path)
    for file in files.values():
        result = pydicom.dcmread(file)
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDescription"):
            assert result[keyword].value == source[keyword].value
        for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
            assert result[keyword].value == source[keyword].value
        assert result.SeriesInstanceUID != source.SeriesInstanceUID
        assert "PatientComments" not in result
    assert notes == ["outside the image, left out of the DICOM results: outside_one"]


def test_every_result_has_a_series_and_instance_of_its_own(results):
    made = [result for _ in range(2) for result in results()[0].values()]
    assert len({result.SOPInstanceUID for result in made}) == 6
    assert len({result.SeriesInstanceUID for result in made}) == 6


def test_missing_attributes_are_empty(results):
    changes = dict.fromkeys(REQUIRED)
    made, notes = results(**changes)
    for result in made.values():
        for keyword in REQUIRED:
            assert keyword in result
            assert not result[keyword].value
    assert notes == []


def test_malformed_values_are_left_out_and_told(image_file, write):
    path = image_file(PatientBirthDate="19700101", StudyTime="101112", PatientSex="F", PatientAge="050Y")
    content = path.read_bytes()
    for old, new in (
        (b"19700101", b"1st May "),
        (b"101112", b"10h 11"),
        (b"CS\x02\x00F ", b"CS\x02\x00W "),
        (b"050Y", b"50 Y"),
    ):
        assert content.count(old) == 1
        content = content.replace(old, new)
    path.write_bytes(content)
    files, notes = write(path, points=())
    assert [note.split()[0] for note in notes] == ["PatientBirthDate", "PatientSex", "StudyTime", "PatientAge"]
    # A note is printed: it must not quote the value.
    assert "May" not in " ".join(notes)
    for file in files.values():
        result = pydicom.dcmread(file)
        assert not result.PatientBirthDate
        assert not result.StudyTime
        assert not result.PatientSex
        assert "PatientAge" not in result


def test_an_identifier_is_carried_even_where_it_is_too_long(results):
    with quiet:
        made, _ = results(AccessionNumber=56 * "a", PatientID=70 * "b")
        assert {result.AccessionNumber for result in made.values()} == {56 * "a"}
        assert {result.PatientID for result in made.values()} == {70 * "b"}


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "Иванов^Пётр"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 144", "Люкceмбypг"),
    ],
)
def test_names_of_any_alphabet(results, charset, name):
    item = Dataset()
    item.PatientID, item.TypeOfPatientID = "x", "TEXT"
    made, notes = results(
        SpecificCharacterSet=charset, PatientName=name, OtherPatientIDsSequence=[item], ResponsiblePerson=name
    )
    for result in made.values():
        assert result.SpecificCharacterSet == "ISO_IR 192"
        assert str(result.PatientName) == name
        assert str(result.ResponsiblePerson) == name
        assert result.OtherPatientIDsSequence[0].PatientID == "x"
    assert notes == []


def test_private_attributes_stay_behind(image_file, write):
    item = Dataset()
    item.PatientID, item.TypeOfPatientID = "x", "TEXT"
    item.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "secret")
    path = image_file(OtherPatientIDsSequence=[item])
    header = pydicom.dcmread(path)
    header.private_block(0x0009, "MAKER", create=True).add_new(1, "LO", "secret")
    header.private_block(0x0010 + 1, "MAKER", create=True).add_new(1, "LO", "secret")
    header.save_as(path)
    files, _ = write(path)
    for file in files.values():
        assert b"secret" not in file.read_bytes()
        assert b"MAKER" not in file.read_bytes()


def test_without_study_and_series_uid_the_results_stay_together(image_file, write):
    path = image_file(StudyInstanceUID=None, SeriesInstanceUID=None)
    files, notes = write(path, points=())
    assert [note.split(":")[0] for note in notes] == [
        "the image has no StudyInstanceUID",
        "the image has no SeriesInstanceUID",
    ]
    studies = {pydicom.dcmread(file).StudyInstanceUID for file in files.values()}
    assert len(studies) == 1
    assert studies.pop().is_valid
    reference = hd.sr.srread(files[DicomResult.SR]).get_evidence()
    assert reference[0][2] == pydicom.dcmread(path).SOPInstanceUID


def test_without_any_instance_uid_there_is_no_result(image_file, write):
    path = image_file()
    header = pydicom.dcmread(path)
    del header.SOPInstanceUID
    header.file_meta.MediaStorageSOPInstanceUID = ""
    header.save_as(path)
    files, notes = write(path)
    assert notes == ["it has no SOP Class or SOP Instance UID to refer to: no DICOM results"]
    assert not any(file.exists() for file in files.values())


def test_the_file_meta_information_may_have_the_instance_uid(image_file):
    path = image_file()
    header = pydicom.dcmread(path)
    uid = header.SOPInstanceUID
    del header.SOPInstanceUID
    header.save_as(path)
    assert read_source(path, 1).reference.SOPInstanceUID == uid


def test_a_class_that_is_unknown_gives_a_note(image_file, write):
    path = image_file(sop_class="1.2.3.4.5")
    files, notes = write(path, [DicomResult.SR, DicomResult.SC], points=())
    assert not files[DicomResult.SR].exists()
    assert files[DicomResult.SC].exists()
    assert notes == ["no sr: the image's header is damaged or of an unknown kind (KeyError)"]


def test_other_formats_are_told(tmp_path, write):
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.new("L", (30, 40), 7).save(path)
    Image.effect_noise((30, 40), 50).save(path)
    files, notes = write(path)
    assert notes == ["not a DICOM file: no DICOM results"]
    assert not any(file.exists() for file in files.values())


def test_kinds():
    assert result_kinds(["sc", "sr", "sc"]) == [DicomResult.SC, DicomResult.SR]
    with pytest.raises(ConfigError, match="no result 'pdf'; choose from sr, gsps, sc"):
        result_kinds(["pdf"])


def test_without_highdicom_the_package_is_named(monkeypatch):
    import sys

    for module in ("structured", "presentation", "capture", "codes"):
        monkeypatch.delitem(sys.modules, f"monai_landmarks.export.{module}", raising=False)
        monkeypatch.delattr(f"monai_landmarks.export.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ConfigError, match=r"pip install \"monai_landmarks\[sr\]\""):
        writers()


def test_no_attribute_is_listed_twice():
    assert len({*REQUIRED, *OPTIONAL}) == len(REQUIRED) + len(OPTIONAL)
    assert all(pydicom.datadict.tag_for_keyword(keyword) for keyword in (*REQUIRED, *OPTIONAL))


def test_valid_where_the_image_has_next_to_nothing(image_file, write, dicom_errors):
    path = image_file(**dict.fromkeys([*REQUIRED, "StudyInstanceUID", "SeriesInstanceUID", "WindowCenter"]))
    files, _ = write(path)
    assert predicted(path).plane == "unknown"
    for file in files.values():
        assert dicom_errors(file) == set(), file
