"""What the landmarks are: names, left/right pairs, groups, display colours, measurements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monai_landmarks.element_order import element_faults
from monai_landmarks.measurements import AnyElement
from monai_landmarks.names import Name


class Landmark(BaseModel):
    """One landmark: its name, the name of its mirror image (if any) and how it is shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    pair: str | None = None
    description: str | None = None
    colour: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


class Scheme(BaseModel):
    """An ordered set of landmarks. The order is the channel order of the network's output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    landmarks: tuple[Landmark, ...] = Field(min_length=1)
    groups: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    measurements: tuple[AnyElement, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Scheme:
        names = [landmark.name for landmark in self.landmarks]
        faults = [f"landmark {name!r} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})]
        pairs = {landmark.name: landmark.pair for landmark in self.landmarks}
        for name, pair in pairs.items():
            if pair is None:
                continue
            if pair == name:
                faults.append(f"landmark {name!r} names itself as its pair; use null")
            elif pair not in pairs:
                faults.append(f"landmark {name!r} names the unknown pair {pair!r}")
            elif pairs[pair] != name:
                faults.append(f"landmark {name!r} names {pair!r} as its pair, which names {pairs[pair]!r}")
        for group, members in self.groups.items():
            faults += [f"group {group!r} names the unknown landmark {m!r}" for m in members if m not in pairs]
            faults += [
                f"group {group!r} lists {m!r} twice" for m in sorted({m for m in members if members.count(m) > 1})
            ]
        faults += element_faults(self.measurements, list(pairs))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Landmark names in channel order."""
        return tuple(landmark.name for landmark in self.landmarks)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each channel, the channel that holds its mirror image after a horizontal flip."""
        index = {name: k for k, name in enumerate(self.names)}
        return tuple(index[landmark.pair or landmark.name] for landmark in self.landmarks)

    def group_indices(self) -> dict[str, list[int]]:
        """Channel numbers of each group's members."""
        index = {name: k for k, name in enumerate(self.names)}
        return {group: [index[name] for name in members] for group, members in self.groups.items()}
