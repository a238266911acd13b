"""DICOM presentation state (GSPS): the points, their names and the measurements, drawn by viewers without SR."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
from highdicom import pr
from highdicom.content import PresentationLUTTransformation
from pydicom.dataset import Dataset

from monai_landmarks.errors import UnsupportedObjectError
from monai_landmarks.export.device import UNVERIFIED, Device
from monai_landmarks.export.predictions import PredictedImage
from monai_landmarks.export.source import Source, carry
from monai_landmarks.export.summary import summary_lines
from monai_landmarks.export.texts import one_value

SERIES_NUMBER = 9102
# Of the summary: share of the display, characters.
LINE_HEIGHT = 0.03
LINE_LENGTH = 100


def presentation_state(image: PredictedImage, source: Source, device: Device) -> pr.GrayscaleSoftcopyPresentationState:
    """The state: the image as it shows itself, with the points that are present and on it.

    Patient and study are empty until `Source.identify`.

    Raises:
        UnsupportedObjectError: a colour image.
    """
    if not str(source.header.PhotometricInterpretation).startswith("MONOCHROME"):
        raise UnsupportedObjectError("a grayscale presentation state cannot show a colour image")
    layer = pr.GraphicLayer("LANDMARKS", order=1, description=UNVERIFIED)
    reference = _reference(source)
    inverse = source.header.PhotometricInterpretation == "MONOCHROME1"
    state = pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[reference],
        content_label="LANDMARKS",
        content_description=UNVERIFIED,
        graphic_layers=[layer],
        graphic_annotations=[_annotation(image, device, layer, reference)],
        # The state replaces the photometric interpretation (PS3.4 N.2.1.4).
        presentation_lut_transformation=PresentationLUTTransformation("INVERSE" if inverse else "IDENTITY"),
        **device.equipment(SERIES_NUMBER),
    )
    state.Laterality = source.laterality
    _refer(state, source)
    _display(state, image, source)
    _grey_values(state, source)
    return state


def _reference(source: Source) -> Dataset:
    """With empty functional groups: highdicom looks there for the grey values of every multi-frame class, and crashes
    on the classic ones that have none. `_grey_values` takes them from the header itself."""
    reference = Dataset()
    reference.update(source.reference)
    reference.SharedFunctionalGroupsSequence = [Dataset()]
    reference.PerFrameFunctionalGroupsSequence = [Dataset()]
    reference.SamplesPerPixel = 1
    return reference


def _annotation(
    image: PredictedImage, device: Device, layer: pr.GraphicLayer, reference: Dataset
) -> pr.GraphicAnnotation:
    """Units PIXEL: the upper left corner of the image is at (0, 0), PS3.3 C.10.5."""
    places = [(point.column + 0.5, point.row + 0.5) for point in image.shown]
    texts = [
        pr.TextObject(one_value(point.name), "PIXEL", anchor_point=place, anchor_point_visible=False)
        for point, place in zip(image.shown, places)
    ]
    return pr.GraphicAnnotation(
        referenced_images=[reference],
        graphic_layer=layer,
        graphic_objects=[pr.GraphicObject("POINT", np.array([place]), "PIXEL") for place in places],
        text_objects=[*texts, *_summary(image, device)],
    )


def _summary(image: PredictedImage, device: Device) -> list[pr.TextObject]:
    """A text for each line: one text (ST) holds 1024 characters, and what is measured must not end in the middle."""
    lines = [part for line in summary_lines(image, device) for part in wrap(one_value(line), LINE_LENGTH)]
    height = min(LINE_HEIGHT, 0.98 / len(lines))
    tops = [0.01 + height * number for number in range(len(lines))]
    return [
        pr.TextObject(line, "DISPLAY", bounding_box=(0.01, top, 0.6, top + height)) for line, top in zip(lines, tops)
    ]


def _refer(state: Dataset, source: Source) -> None:
    """Name the frame in every reference; highdicom does so for some classes only."""
    source.refer(state.ReferencedSeriesSequence[0].ReferencedImageSequence[0])
    source.refer(state.GraphicAnnotationSequence[0].ReferencedImageSequence[0])


def _display(state: Dataset, image: PredictedImage, source: Source) -> None:
    """The whole image, corners counted from 1, in its true shape."""
    area = state.DisplayedAreaSelectionSequence[0]
    # Meant for tiled images alone.
    del area.PixelOriginInterpretation
    if image.spacing is None:
        area.PresentationPixelAspectRatio = source.aspect
    else:
        del area.PresentationPixelAspectRatio
        area.PresentationPixelSpacing = [f"{value:.10g}" for value in image.spacing]


def _grey_values(state: Dataset, source: Source) -> None:
    """Modality and VOI transformation as the image has them; what is missing or malformed there is left out."""
    group = _functional(source, "PixelValueTransformationSequence")
    rescale = _carried(source, group, "RescaleIntercept", "RescaleSlope")
    if rescale:
        rescale.RescaleType = group.get("RescaleType") or "US"
    state.update(_carried(source, group, "ModalityLUTSequence") or rescale)
    group = _functional(source, "FrameVOILUTSequence")
    shown = _carried(source, group, "VOILUTSequence") or _window(source, group)
    if shown:
        state.SoftcopyVOILUTSequence = [shown]


def _window(source: Source, group: Dataset) -> Dataset:
    """Empty unless every width is positive: another one is forbidden, and shows nothing."""
    window = _carried(source, group, "WindowCenter", "WindowWidth")
    if not window or np.min(np.asarray(window.WindowWidth, dtype=float)) <= 0:
        return Dataset()
    window.update(_carried(source, group, "WindowCenterWidthExplanation"))
    window.update(_carried(source, group, "VOILUTFunction"))
    return window


def _functional(source: Source, name: str) -> Dataset:
    """Where the grey values are described: a functional group of the frame, else the header itself."""
    header = source.header
    shared, single = header.get("SharedFunctionalGroupsSequence"), header.get("PerFrameFunctionalGroupsSequence")
    for groups in ((shared or [])[:1], (single or [])[source.frame - 1 : source.frame]):
        for group in groups:
            if group.get(name):
                return group[name].value[0]
    return header


def _carried(source: Source, group: Dataset, *names: str) -> Dataset:
    """These attributes of the header or a group of it; empty unless all are there and sound."""
    item = Dataset()
    try:
        for name in names:
            carry(group, item, name)
        if source.header.original_encoding[1] is False:
            _swap_tables(item)
    except Exception:
        # Missing, or pydicom cannot make sense of it.
        return Dataset()
    return item if all(element.VM for element in item) else Dataset()


def _swap_tables(item: Dataset) -> None:
    """Turn the words of tables (OW) to little endian, in place: unlike numbers they are written as they are."""
    for element in item.iterall():
        if element.keyword == "LUTData" and element.VR == "OW":
            element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()
