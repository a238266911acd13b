"""The software that made a result, as DICOM names a device and an algorithm."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from pydicom.uid import generate_uid

from monai_landmarks import __version__
from monai_landmarks.export.texts import long_string

MANUFACTURER = "monai_landmarks"
UNVERIFIED = "Landmarks, not verified"


@dataclass(frozen=True)
class Device:
    """A trained bundle.

    Attributes:
        name: of the bundle.
        version: of the bundle.
        serial: tells models of one name and version apart: the beginning of their training data's digest.
        scheme: name of the landmark scheme.
        uid: the same for the same model, on any machine.
    """

    name: str
    version: str
    serial: str
    scheme: str
    uid: str

    @classmethod
    def of(cls, model: dict[str, Any], scheme: str) -> Device:
        """From what a bundle says of its model: bundle, version, trained_on (with a digest, or None)."""
        name, version = long_string(str(model["bundle"])), long_string(str(model["version"]))
        serial = str((model.get("trained_on") or {}).get("digest", "unknown"))[:16]
        number = uuid.uuid5(uuid.NAMESPACE_URL, "\x1f".join((MANUFACTURER, name, version, serial))).int
        return cls(name, version, serial, scheme, f"2.25.{number}")

    @property
    def software(self) -> str:
        """This package and its version."""
        return f"{MANUFACTURER} {__version__}"

    def equipment(self, series_number: int) -> dict[str, Any]:
        """highdicom's arguments for a result of this device in a series of its own."""
        return {
            "series_instance_uid": generate_uid(prefix=None),
            "series_number": series_number,
            "sop_instance_uid": generate_uid(prefix=None),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": self.name,
            "software_versions": self.software,
            "device_serial_number": self.serial,
            "series_description": UNVERIFIED,
            "specific_character_set": "ISO_IR 192",
        }

    @property
    def description(self) -> str:
        """One line for people."""
        return f"{self.name} {self.version} ({self.software})"
