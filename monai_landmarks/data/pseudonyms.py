"""Patients' names in a table become P0001...; the mapping stays outside the data set file."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from monai_landmarks.data.table_file import Table

PSEUDONYM = re.compile(r"P\d{4,}")


def pseudonyms(table: Table) -> dict[str, str]:
    """Patient as the table names them -> pseudonym, in the order of the table.

    Names that are pseudonyms already, all of them, stay as they are.
    """
    patients = list(dict.fromkeys(filter(None, (table.cell(row, "patient") for row in table.rows))))
    if all(PSEUDONYM.fullmatch(patient) for patient in patients):
        return {patient: patient for patient in patients}
    return {patient: f"P{number:04d}" for number, patient in enumerate(patients, start=1)}


def write_pseudonyms(table: Table, path: Path) -> None:
    """Write the mapping as CSV (patient, pseudonym). It identifies people: keep it apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient", "pseudonym"])
        writer.writerows(pseudonyms(table).items())
