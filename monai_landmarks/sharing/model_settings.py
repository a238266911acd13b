"""What a packed bundle's metadata say of its network: how it is rebuilt, decoded and shown its images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Spacing = Annotated[float, Field(gt=0, le=10)]
Side = Annotated[int, Field(ge=32, le=8192)]


class Part(BaseModel):
    """A part of metadata.json: what is needed has its type, and more may be there."""

    model_config = ConfigDict(extra="allow", strict=True)


class Decoding(Part):
    """How logits become points."""

    test_time_mirror: bool
    decoder: dict[str, Any]


class UNet(Part):
    """Arguments of a LandmarkUNet."""

    backbone: str
    decoder_channels: list[int] = Field(min_length=1, max_length=8)

    def __str__(self) -> str:
        return self.backbone


class HourglassArguments(BaseModel):
    """Arguments of a HourglassNet, all that it gets."""

    model_config = ConfigDict(extra="forbid", strict=True)

    width: int = Field(ge=2, le=512)
    depth: int = Field(ge=1, le=8)
    block: Literal["hmp", "bottleneck"]
    dropout: float = Field(ge=0, lt=1)
    upsampling: Literal["nearest", "bilinear"]
    intensity: list[float] = Field(min_length=2, max_length=2)


class Hourglass(Part):
    """A HourglassNet."""

    hourglass: HourglassArguments

    def __str__(self) -> str:
        return f"hourglass of width {self.hourglass.width}"


class Region(Hourglass):
    """The first of two stages, whose weights are roi.pt: it finds where the second one looks."""

    decoder: dict[str, Any]
    spacing_mm: Spacing
    spatial_size: list[Side] = Field(min_length=2, max_length=2)
    ensemble: list[Hourglass] = Field(default=[], max_length=32)


class Sides(Part):
    """How a network that sees one limb at a time is shown a radiograph."""

    spacing_mm: Spacing
    mirror: bool
    centre: str
    region: Region | None


class UNetSettings(UNet, Decoding):
    """A model of one U-Net, or with `second_pass` two, or the mean of several models (`ensemble`)."""

    ensemble: list[UNet] = Field(default=[], max_length=32)


class HourglassSettings(Hourglass, Decoding):
    """A model of one hourglass, or the mean of several models."""

    ensemble: list[Hourglass] = Field(default=[], max_length=32)


class OneShotArguments(BaseModel):
    """Arguments of an EmbeddingNet, all that it gets: its weights are in model.pt."""

    model_config = ConfigDict(extra="forbid", strict=True)

    encoder: Literal["efficientnet-lite0", "vgg19"]
    frozen: bool
    decoder_channels: list[int] = Field(min_length=4, max_length=4)
    embedding: int = Field(ge=1, le=1024)
    landmarks: int = Field(ge=0, le=1024)
    adapter_channels: int = Field(ge=0, le=1024)
    mean_of: list[int] | None = Field(default=None, min_length=1, max_length=5)


class Matching(BaseModel):
    """Arguments of a MutualOneShotNet, but for those of its embedding."""

    model_config = ConfigDict(extra="forbid", strict=True)

    size: list[Side] = Field(min_length=2, max_length=2)
    count: int = Field(ge=1, le=32)
    separation: int = Field(ge=1, le=256)


class Fine(BaseModel):
    """Arguments of a FineOneShotNet, but for those of its coarse network."""

    model_config = ConfigDict(extra="forbid", strict=True)

    coarse_size: list[Side] = Field(min_length=2, max_length=2)
    window: int = Field(ge=32, le=1024)
    descriptor: int = Field(ge=1, le=1024)
    dino: bool


class OneShotSettings(Decoding):
    """A OneShotNet, which may ask that its matches be mutual, and may look twice."""

    one_shot: OneShotArguments
    matching: Matching | None = None
    fine: Fine | None = None
    ensemble: list[UNet] = Field(default=[], max_length=0)

    def __str__(self) -> str:
        return f"embeddings on {self.one_shot.encoder}{', with a fine stage' if self.fine else ''}"


class SidedSettings(Part):
    """A model that sees one limb of a radiograph at a time, in one stage or two."""

    sides: Sides


class SidedUNetSettings(UNetSettings, SidedSettings):
    """Such a model of U-Nets."""


class SidedHourglassSettings(HourglassSettings, SidedSettings):
    """Such a model of hourglasses."""


def _kind(settings: Any) -> str:
    keys = settings if isinstance(settings, Mapping) else vars(settings) if isinstance(settings, Part) else ()
    network = next((name for name in ("hourglass", "one_shot") if name in keys), "unet")
    return f"sided {network}" if "sides" in keys else network


Settings = Annotated[
    Annotated[UNetSettings, Tag("unet")]
    | Annotated[HourglassSettings, Tag("hourglass")]
    | Annotated[OneShotSettings, Tag("one_shot")]
    | Annotated[SidedUNetSettings, Tag("sided unet")]
    | Annotated[SidedHourglassSettings, Tag("sided hourglass")],
    Discriminator(_kind),
]


def region_of(settings: Decoding) -> Region | None:
    """The first stage of a two-stage model; None for any other."""
    return settings.sides.region if isinstance(settings, SidedSettings) else None


def described(settings: Settings) -> str:
    """The network in a few words: `efficientnet-lite0`, `5 times hourglass of width 24, in two stages`."""
    times = f"{len(settings.ensemble)} times " if settings.ensemble else ""
    stages = ", in two stages" if region_of(settings) is not None else ""
    return f"{times}{settings}{stages}"
