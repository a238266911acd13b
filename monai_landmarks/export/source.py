"""What a DICOM result takes from the image it belongs to: references, patient and study, and nothing else."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import STR_VR, validate_value

from monai_landmarks.data.decode import frame_count
from monai_landmarks.data.formats import sniff
from monai_landmarks.data.polarity import tag_text
from monai_landmarks.data.quiet import quiet
from monai_landmarks.errors import ReadError

# Of the modules Patient, General Study and Patient Study (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2): what files a result under
# its patient and study. Type 2 attributes first: they are there even where the source lacks them.
REQUIRED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
OPTIONAL = (
    "IssuerOfPatientID",
    "OtherPatientIDsSequence",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientBreedDescription",
    "PatientBreedCodeSequence",
    "BreedRegistrationSequence",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ResponsibleOrganization",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "ProcedureCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientSexNeutered",
)
# A text is carried even where it is too long for its kind: another identifier would be another patient's.
TEXTS = ("PN", "LO", "SH", "LT", "ST", "UC", "UT")
SEXES = ("", "M", "F", "O")


@dataclass(frozen=True)
class Source:
    """An image as its results see it.

    Attributes:
        header: the file's data set without pixels, as read.
        reference: the attributes highdicom refers to: UIDs, size, frames; patient and study are empty in it.
        identity: patient and study, text decoded.
        frame: the frame the results are about, from 1.
        frames: how many there are.
        notes: attributes that could not be carried.
    """

    header: Dataset
    reference: Dataset
    identity: Dataset
    frame: int
    frames: int
    notes: tuple[str, ...]

    @property
    def frame_numbers(self) -> list[int] | None:
        """For references: the frame, None where the image has only one."""
        return [self.frame] if self.frames > 1 else None

    @property
    def laterality(self) -> str:
        """R or L where the image is of one side and says so, else empty."""
        sides = [tag_text(self.header, name) for name in ("ImageLaterality", "Laterality")]
        return next((side for side in sides if side in ("R", "L")), "")

    @property
    def aspect(self) -> list[int]:
        """Height to width of a pixel as the image states it without a spacing; 1 to 1 where it says nothing sound."""
        texts = tag_text(self.header, "PixelAspectRatio").split("\\")
        sound = len(texts) == 2 and all(text.isdecimal() and int(text) for text in texts)
        return [int(text) for text in texts] if sound else [1, 1]

    def refer(self, item: Dataset) -> Dataset:
        """Set the reference to the image, and to its frame where it has several, on an item of a sequence."""
        item.ReferencedSOPClassUID = self.reference.SOPClassUID
        item.ReferencedSOPInstanceUID = self.reference.SOPInstanceUID
        if self.frames > 1:
            item.ReferencedFrameNumber = self.frame
        return item

    def identify(self, result: Dataset) -> None:
        """Set patient and study on a result."""
        result.SpecificCharacterSet = "ISO_IR 192"
        result.update(self.identity)


def read_source(path: Path, frame: int) -> Source:
    """The header of a DICOM image.

    Raises:
        ReadError: not DICOM, or without the identifiers a result must refer to.
    """
    with quiet:
        if sniff(path) != "DICOM":
            raise ReadError("not a DICOM file: no DICOM results")
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        sop_class, instance = (_own_uid(header, name) for name in ("SOPClassUID", "SOPInstanceUID"))
        if not sop_class or not instance:
            raise ReadError("it has no SOP Class or SOP Instance UID to refer to: no DICOM results")
        notes: list[str] = []
        reference = _reference(header, sop_class, instance, notes)
        identity = _identity(header, notes)
    identity.StudyInstanceUID = reference.StudyInstanceUID
    return Source(header, reference, identity, frame, frame_count(header), tuple(notes))


def _own_uid(header: Dataset, name: str) -> str:
    """A UID of the instance; where the data set lacks it, the file meta information may have it."""
    return tag_text(header, name) or tag_text(header.file_meta, f"MediaStorage{name}")


def _reference(header: Dataset, sop_class: str, instance: str, notes: list[str]) -> Dataset:
    """The attributes highdicom asks for, whatever the source lacks."""
    reference = Dataset()
    reference.SOPClassUID, reference.SOPInstanceUID = sop_class, instance
    for name in ("StudyInstanceUID", "SeriesInstanceUID"):
        uid = tag_text(header, name)
        if not uid:
            # The same one for every result of this image, so that at least they stay together.
            uid = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{name} {instance}').int}"
            notes.append(f"the image has no {name}: its DICOM results have a made-up one, a viewer may not join them")
        setattr(reference, name, uid)
    for name in REQUIRED:
        setattr(reference, name, None)
    for name in ("Rows", "Columns", "SamplesPerPixel"):
        setattr(reference, name, header.get(name))
    if frame_count(header) > 1:
        reference.NumberOfFrames = frame_count(header)
    return reference


def _identity(header: Dataset, notes: list[str]) -> Dataset:
    """Patient and study; what is malformed is left out, and empty where the standard wants it there."""
    identity = Dataset()
    for name in (*REQUIRED, *OPTIONAL):
        if name in REQUIRED:
            setattr(identity, name, None)
        if name not in header:
            continue
        try:
            carry(header, identity, name)
        except Exception:
            # pydicom converts on access, and malformed text may raise anything; its words may quote the value.
            notes.append(f"{name} of the image is malformed: left out of its DICOM results")
    return identity


def carry(source: Dataset, target: Dataset, name: str | BaseTag) -> None:
    """Copy one attribute; text is decoded, since the result has its own encoding.

    Raises:
        Exception: its value is malformed.
    """
    element = source[name]
    if element.VR == "SQ":
        target.add_new(element.tag, "SQ", [_clean(item) for item in element.value])
        return
    if element.VR not in STR_VR:
        target.add_new(element.tag, element.VR, element.value)
        return
    values = list(element.value) if element.VM > 1 else [element.value]
    texts = ["" if value is None else str(value) for value in values]
    if element.VR not in TEXTS:
        for text in texts:
            validate_value(element.VR, text, config.RAISE)
    if name == "PatientSex" and texts[0] not in SEXES:
        raise ValueError
    target.add_new(element.tag, element.VR, texts if len(texts) > 1 else texts[0])


def _clean(item: Dataset) -> Dataset:
    """An item of a sequence without private attributes.

    Raises:
        Exception: one of its values is malformed.
    """
    cleaned = Dataset()
    for element in item:
        if not element.tag.is_private:
            carry(item, cleaned, element.tag)
    return cleaned
