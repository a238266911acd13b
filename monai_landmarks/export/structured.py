"""DICOM structured report: Comprehensive SR after TID 1500, a planar ROI group with one POINT for each landmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import highdicom as hd
import numpy as np
from highdicom import sr
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from monai_landmarks.export import codes as own
from monai_landmarks.export.device import MANUFACTURER, Device
from monai_landmarks.export.predictions import PredictedImage, PredictedPoint
from monai_landmarks.export.source import Source

if TYPE_CHECKING:
    from monai_landmarks.measure.values import Measured

SERIES_NUMBER = 9101


def measurement_report(image: PredictedImage, source: Source, device: Device) -> sr.ComprehensiveSR:
    """The report: points that are present and on the image, measurements, and what is missing.

    UNVERIFIED and PRELIMINARY; COMPLETE if every landmark has a point and every measurement a value, else PARTIAL.
    Patient and study are empty until `Source.identify`.
    """
    groups = [_landmark_group(point, source, device) for point in image.shown]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(device)),
        procedure_reported=codes.cid100.XRUnspecifiedBodyRegion,
        imaging_measurements=[*groups, _summary_group(image, source, device)],
    )
    complete = len(groups) == len(image.points) and all(m.value is not None for m in image.measurements)
    return sr.ComprehensiveSR(
        evidence=[source.reference],
        content=content[0],
        is_complete=complete,
        is_final=False,
        is_verified=False,
        coding_schemes=own.coding_schemes(),
        **device.equipment(SERIES_NUMBER),
    )


def _observer(device: Device) -> sr.ObserverContext:
    attributes = sr.DeviceObserverIdentifyingAttributes(
        uid=device.uid,
        name=device.description,
        manufacturer_name=MANUFACTURER,
        model_name=device.name,
        serial_number=device.serial,
    )
    return sr.ObserverContext(codes.DCM.Device, attributes)


def _algorithm(device: Device, parameters: list[str] | None = None) -> AlgorithmIdentification:
    return AlgorithmIdentification(device.name, device.version, parameters=parameters, manufacturer=MANUFACTURER)


def _landmark_group(
    point: PredictedPoint, source: Source, device: Device
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410 with the point, its confidence and presence.

    SCOORD counts from the image's upper left corner, where it is (0, 0), column first (PS3.3 C.18.6).
    """
    region = sr.ImageRegion(
        sr.GraphicTypeValues.POINT,
        np.array([[point.column + 0.5, point.row + 0.5]]),
        sr.SourceImageForRegion(source.reference.SOPClassUID, source.reference.SOPInstanceUID, source.frame_numbers),
    )
    site = own.site_of(point.name)
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(hd.UID(), point.name),
        referenced_region=region,
        finding_category=codes.SCT.AnatomicalStructure,
        finding_type=own.landmark_concept(point.name),
        finding_sites=[FindingSite(site, laterality=own.side_of(point.name))] if site else None,
        algorithm_id=_algorithm(device),
        measurements=[
            Measurement(codes.DCM.CertaintyOfFinding, round(100 * point.presence, 2), codes.UCUM.Percent),
            Measurement(own.private(*own.CONFIDENCE), round(point.confidence, 4), codes.UCUM.NoUnits),
        ],
    )


def _summary_group(image: PredictedImage, source: Source, device: Device) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: the measurements, the spacing behind their millimetres, and what could not be found or computed."""
    shown = set(image.shown)
    missing = [
        QualitativeEvaluation(own.landmark_concept(point.name), _why_missing(point))
        for point in image.points
        if point not in shown
    ]
    not_computed = [
        QualitativeEvaluation(_concept(measured), own.private(*own.NOT_COMPUTED))
        for measured in image.measurements
        if measured.value is None
    ]
    plane = QualitativeEvaluation(own.private(*own.PLANE), own.plane_concept(image.plane))
    parameters = [device.software, f"landmark scheme {device.scheme}", f"training data {device.serial}"]
    reference = source.reference
    return MeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(hd.UID(), "summary"),
        finding_type=own.private(*own.SUMMARY),
        algorithm_id=_algorithm(device, parameters),
        measurements=[*_spacing(image), *(_measurement(m) for m in image.measurements if m.value is not None)],
        qualitative_evaluations=[plane, *missing, *not_computed],
        source_images=[
            sr.SourceImageForMeasurementGroup(reference.SOPClassUID, reference.SOPInstanceUID, source.frame_numbers)
        ],
    )


def _why_missing(point: PredictedPoint) -> Code | CodedConcept:
    if not point.sought:
        return own.private(*own.NOT_SOUGHT)
    return own.private(*own.OUTSIDE) if point.present else codes.SCT.Absent


def _spacing(image: PredictedImage) -> list[Measurement]:
    """Distances of the pixel centres that were used; none where they are unknown."""
    if image.spacing is None:
        return []
    names = (codes.DCM.VerticalPixelSpacing, codes.DCM.HorizontalPixelSpacing)
    return [Measurement(name, value, codes.UCUM.Millimeter) for name, value in zip(names, image.spacing)]


def _concept(measured: Measured) -> CodedConcept:
    return own.measurement_concept(measured.name, measured.label)


def _measurement(measured: Measured) -> Measurement:
    """TID 300 with the normal range and, as TID 310's uncertainty range, one standard deviation either way."""
    unit = own.UNITS[measured.unit]
    properties = MeasurementProperties()
    if measured.normal is not None:
        limits = (codes.cid223.NormalRangeLowerLimit, codes.cid223.NormalRangeUpperLimit)
        properties.extend(_property(name, value, unit) for name, value in zip(limits, measured.normal))
    if measured.uncertainty is not None:
        # Not through highdicom's own argument: it writes these without unit.
        properties.extend(
            _property(Code(value, "SCT", meaning), round(measured.uncertainty, 4), unit)
            for value, meaning in (
                ("371886008", "+, range of upper measurement uncertainty"),
                ("371885007", "-, range of lower measurement uncertainty"),
            )
        )
    value = round(float(measured.value or 0.0), 4)
    return Measurement(_concept(measured), value, unit, properties=properties or None)


def _property(name: Code, value: float, unit: Code) -> sr.NumContentItem:
    return sr.NumContentItem(name, value, unit, relationship_type=RelationshipTypeValues.HAS_PROPERTIES)
