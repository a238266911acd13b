"""What a search of hyper-parameters may try: ranges and choices of config entries, read from a YAML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Range(BaseModel):
    """Numbers from `low` to `high`, both included; whole ones if both are whole.

    Attributes:
        log: even on a logarithmic scale.
        step: distance of neighbouring values; null: any, or 1 for whole numbers.
    """

    model_config = STRICT

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a logarithmic scale needs low above 0, and no step")
        return self

    def suggest(self, trial: BaseTrial, key: str) -> int | float:
        """A trial's value."""
        if isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, int | None):
            return trial.suggest_int(key, self.low, self.high, log=self.log, step=self.step or 1)
        return trial.suggest_float(key, self.low, self.high, log=self.log, step=self.step)


class Choices(BaseModel):
    """Some values, without an order: numbers, texts, lists, expressions such as `$curriculum.constant(0.0)`."""

    model_config = STRICT

    choices: list[JsonValue] = Field(min_length=2)

    @field_validator("choices")
    @classmethod
    def _numbers_are_numbers(cls, values: list[JsonValue]) -> list[JsonValue]:
        for value in values:
            if isinstance(value, str) and _is_number(value):
                raise ValueError(f"{value!r} is a text in YAML 1.1; write it with a point, such as 1.0e-3")
        return values

    def suggest(self, trial: BaseTrial, key: str) -> Any:
        """A trial's value; the study keeps its JSON, for it takes no lists."""
        return json.loads(trial.suggest_categorical(key, [json.dumps(value) for value in self.choices]))


Space = Mapping[str, Range | Choices]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_space(path: Path) -> dict[str, Range | Choices]:
    """A file of config entries, each with `low` and `high` (and `log`, `step`) or with `choices`.

    Raises:
        ConfigError: the file is missing, no YAML, empty, or an entry is neither; every fault is told.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; docs/how-to/search.md shows such a file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no readable YAML file: {error}") from None
    if not isinstance(document, dict) or not document:
        raise ConfigError(f"{path}: one config entry a line is expected, such as learning_rate: {{low: 1.0e-4, ...}}")
    space: dict[str, Range | Choices] = {}
    faults = []
    for key, entry in document.items():
        kind: type[Range] | type[Choices] = Choices if isinstance(entry, dict) and "choices" in entry else Range
        try:
            space[str(key)] = kind.model_validate(entry)
        except ValidationError as error:
            faults += [f"{key}: {' '.join(map(str, e['loc']))} {e['msg']}".replace("  ", " ") for e in error.errors()]
    if faults:
        raise ConfigError(f"{path}: " + "; ".join(faults))
    return space


def digest_of(space: Space) -> dict[str, Any]:
    """The space as JSON values, to tell one from another."""
    return {key: entry.model_dump() for key, entry in space.items()}
