"""The report's sentences: numbers in plain words, planes, definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_landmarks.metrics.tables import number, percent

PLANES = {
    "user": ("spacing given by the user", "The pixel spacing or magnification was given by the user."),
    "calibrated": ("calibrated plane", "The pixel spacing was calibrated, usually at the depth of a marker."),
    "patient_plane": ("patient plane", "The pixel spacing was corrected for the radiographic magnification."),
    "detector_plane": (
        "detector plane",
        "The pixel spacing holds at the detector: lengths are too long by the radiographic magnification.",
    ),
    "unspecified": (
        "unspecified plane",
        "The files do not say in which plane their pixel spacing holds: lengths may be too long by the "
        "radiographic magnification.",
    ),
    "mixed": ("mixed planes", "The images' pixel spacings hold in different planes."),
}


def plane_label(plane: str) -> str:
    """A few words that stand beside a millimetre."""
    return PLANES[plane][0] if plane in PLANES else plane.replace("_", " ")


def plane_sentence(metrics: Mapping[str, Any]) -> str:
    """What the millimetres of an evaluation mean."""
    if not metrics["mm"]:
        return "No image has a known pixel spacing: errors are in pixels of the original images."
    planes = metrics["spacing_planes"]
    sentence = PLANES.get(metrics["spacing_plane"], ("", ""))[1]
    if len(planes) > 1:
        sentence += " Images: " + ", ".join(f"{count} {plane_label(p)}" for p, count in planes.items()) + "."
    if metrics["cases_without_spacing"]:
        left_out = f"{metrics['cases_without_spacing']} of {metrics['cases']} images"
        sentence += f" {left_out} have no known pixel spacing and count in pixels only."
    return sentence.strip()


def plural(count: int, noun: str) -> str:
    """ "1 image", "2 images"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def headline(metrics: Mapping[str, Any], unit: str) -> list[str]:
    """The result in plain words, for a reader who wants no table."""
    block = metrics[unit]
    seen = f"{plural(metrics['cases'], 'image')} of {plural(metrics['patients'], 'patient')}"
    if block is None:
        return [f"{seen} in the {metrics['split']} split, and no annotated landmark to compare with."]
    name = {"mm": f"mm ({plane_label(metrics['spacing_plane'])})", "px": "pixels"}[unit]
    sentences = [f"In the {metrics['split']} split ({seen}, {plural(block['points'], 'annotated point')})"]
    if block["mre"] is None:
        sentences[0] += f", {plural(metrics['unpredicted'], 'point')} got no prediction, so no mean error exists"
        if block.get("mre_predicted") is not None:
            sentences[0] += f"; the others are on average {number(block['mre_predicted'])} {name} from the annotation"
        sentences[0] += "."
    else:
        low, high = block["ci95"]["mre"]
        interval = f" (95 % confidence interval {number(low)} to {number(high)})" if low is not None else ""
        sentences[0] += f", a prediction is on average {number(block['mre'])} {name} from the annotation{interval}."
    if block["median"] is not None:
        sentences.append(f"Half of the points are within {number(block['median'])} {unit}.")
    if block["sdr"]:
        threshold, share = list(block["sdr"].items())[-1]
        sentences.append(f"{percent(share)} are closer than {float(threshold):g} {unit}.")
    sentences.append(_outlier_sentence(block["outliers"], block["points"], unit))
    return sentences


def _outlier_sentence(outliers: Mapping[str, Any], points: int, unit: str) -> str:
    limit = f"{outliers['over']:g} {unit}"
    if not outliers["count"]:
        return f"No point is more than {limit} off."
    verb = "is" if outliers["count"] == 1 else "are"
    return f"{outliers['count']} of {points} points ({percent(outliers['share'])}) {verb} more than {limit} off."


def presence_sentence(presence: Mapping[str, Any]) -> str:
    """How well the model knows whether a landmark is in the image."""
    parts = []
    if presence["sensitivity"] is not None:
        parts.append(
            f"Of {presence['present']} landmarks annotated as present, {percent(presence['sensitivity'])} "
            "were called present (sensitivity)."
        )
    if presence["specificity"] is not None:
        parts.append(
            f"Of {presence['absent']} annotated as absent, {percent(presence['specificity'])} were called "
            "absent (specificity)."
        )
    else:
        parts.append("No landmark was annotated as absent, so specificity cannot be measured.")
    return " ".join(parts)


GLOSSARY = (
    ("MRE", "mean radial error: the mean distance between prediction and annotation, over all points."),
    ("median", "half of the points are closer."),
    ("RMSE", "root of the mean squared distance; large errors weigh more."),
    ("SDR, < 2 mm", "successful detection rate: the share of points strictly closer than the threshold."),
    ("[low, high]", "95 % confidence interval from resampling patients (bootstrap, percentile method)."),
    (
        "RMSE as published",
        "distance / √2, mean over images, then over landmarks: what arXiv 2309.16066 prints as RMSE.",
    ),
    ("network px", "pixels of the image as the network sees it, after resizing."),
)
