"""The published JSON schema of the data set file, made from the models that read it.

`python -m monai_landmarks.data.schema docs/reference/dataset.schema.json` writes it anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.data.faults import HEADER


def dataset_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a data set file, version 1.

    A schema sees one field at a time: what only shows across fields, such as a patient in two splits, is found by
    `find_faults`.
    """
    schema = LandmarkDataset.model_json_schema()
    schema["title"] = "monai_landmarks data set, version 1"
    schema["description"] = "Points are [x, y], pixel centres at integers; paths start at the file's folder."
    schema["required"] = [*HEADER, *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as it stands in its file."""
    return json.dumps(dataset_schema(), indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> None:
    """Write the schema to the file named by the only argument."""
    Path(arguments[0]).write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
