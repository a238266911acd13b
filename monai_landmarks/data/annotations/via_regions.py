"""What VIA's JSON and CSV files have in common: a region's shape and its label."""

from __future__ import annotations

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.json_documents import Node
from monai_landmarks.data.annotations.marks import Findings, Marks
from monai_landmarks.data.tables import Origin

# A click in VIA 2 is a position on the image's canvas, whose (0, 0) is the upper left corner of the first pixel,
# rounded to whole numbers.
ORIGIN: Origin = "corner"
ATTRIBUTE = "landmark"
# Attributes that mean the label where a region has several.
LABELS = (ATTRIBUTE, "label", "name", "keypoint", "class", "type")


def place_region(marks: Marks, shape: Node, attributes: Node, findings: Findings) -> None:
    """Take a region over: a point with a label; other shapes are counted and left out.

    Raises:
        Malformed: no label, several, or no numbers.
    """
    kind = shape["name"].text()
    if kind != "point":
        findings.count(f"{{n}} region(s) of the shape {kind!r} are no points and are left out")
        return
    marks.place(_label(attributes), (shape["cx"].number(), shape["cy"].number()))


def _label(attributes: Node) -> str:
    """The label: the only attribute, else one of `LABELS`; a checkbox list must have one tick."""
    fields = attributes.fields()
    found = {key: _choices(node) for key, node in fields.items() if len(fields) == 1 or key.lower() in LABELS}
    labels = list(dict.fromkeys(label for choices in found.values() for label in choices))
    if not labels:
        keys = ", ".join(fields) or "none"
        raise Malformed(
            f"key {attributes.path}: the point has no label; give it a region attribute {ATTRIBUTE!r} (it has {keys})"
        )
    if len(labels) > 1:
        raise Malformed(f"key {attributes.path}: the point has several labels ({', '.join(labels)}); keep one")
    return labels[0]


def _choices(node: Node) -> list[str]:
    if isinstance(node.value, dict):
        return [key for key, ticked in node.value.items() if ticked]
    return [node.value.strip()] if isinstance(node.value, str) and node.value.strip() else []
