"""metadata.json of a packed bundle: what MONAI's schema and this package need of it, checked without a network."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from monai_landmarks.errors import LandmarksError
from monai_landmarks.scheme import Scheme
from monai_landmarks.sharing.layout import BUNDLE_METADATA, NAME, VERSION, BundleError
from monai_landmarks.sharing.model_settings import Part, Settings, SidedSettings
from monai_landmarks.sides import both_sides

OWN = "monai_landmarks"
# A pattern of pydantic's is searched for, so it must say where the text begins and ends.
Name = Annotated[str, Field(pattern=f"^({NAME.pattern})$")]
Version = Annotated[str, Field(pattern=f"^({VERSION.pattern})$")]
# Of a package: it stands in a command that verify proposes.
Release = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+]{0,31}$")]


class TensorFormat(Part):
    """One input or output of the network."""

    least: ClassVar[int] = 32
    type: Literal["image"]
    format: str
    num_channels: int = Field(ge=1, le=1000)
    spatial_shape: list[int] = Field(min_length=2, max_length=2)
    dtype: Literal["float32"]
    value_range: list[float] = Field(max_length=2)
    is_patch_data: bool
    channel_def: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> TensorFormat:
        if not all(self.least <= side <= 8192 for side in self.spatial_shape):
            raise ValueError(f"spatial_shape {self.spatial_shape} must lie between {self.least} and 8192")
        if sorted(self.channel_def, key=int) != [str(channel) for channel in range(self.num_channels)]:
            raise ValueError(f"channel_def must name the channels 0 to {self.num_channels - 1}")
        return self


class Inputs(Part):
    """The network's input."""

    image: TensorFormat


class Maps(TensorFormat):
    """Logits; an hourglass's have a quarter of the input's rows and columns."""

    least: ClassVar[int] = 8


class Outputs(Part):
    """The network's output."""

    pred: Maps


class DataFormat(Part):
    """What goes in and what comes out."""

    inputs: Inputs
    outputs: Outputs


class Own(Part):
    """The part of this package."""

    version: str
    scheme: Scheme
    scope: dict[Literal["modality", "body_part", "view"], list[str]]
    settings: Settings
    dataset: dict[str, Any]
    errors_mm: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})

    @model_validator(mode="after")
    def _consistent(self) -> Own:
        if isinstance(self.settings, SidedSettings):
            centre = self.settings.sides.centre
            if centre not in self.scheme.names:
                raise ValueError(f"settings.sides.centre {centre!r} is none of the landmarks")
            try:
                both_sides(self.scheme)
            except LandmarksError as error:
                raise ValueError(f"settings.sides: {error}") from None
        return self

    @property
    def predicted(self) -> Scheme:
        """The landmarks of a prediction: of both sides where the network sees one at a time."""
        return both_sides(self.scheme) if isinstance(self.settings, SidedSettings) else self.scheme


class BundleMetadata(Part):
    """The whole file."""

    version: Version
    changelog: dict[str, str]
    monai_version: Release
    pytorch_version: Release
    numpy_version: Release
    required_packages_version: dict[Name, Release]
    name: Name
    task: str
    description: str
    authors: str
    copyright: str
    intended_use: str = Field(min_length=1)
    eval_metrics: dict[str, float]
    network_data_format: DataFormat
    monai_landmarks: Own

    @model_validator(mode="after")
    def _consistent(self) -> BundleMetadata:
        names = dict(enumerate(self.monai_landmarks.scheme.names))
        given = {int(key): name for key, name in self.network_data_format.outputs.pred.channel_def.items()}
        if names != given:
            raise ValueError("network_data_format.outputs.pred.channel_def and the scheme's landmarks differ")
        return self

    def packages(self) -> dict[str, str]:
        """Every package the bundle was made with and needs, and its version."""
        return {
            "monai": self.monai_version,
            "torch": self.pytorch_version,
            "numpy": self.numpy_version,
            **self.required_packages_version,
        }


def check_metadata(document: dict[str, Any]) -> BundleMetadata:
    """The metadata, if they have everything a bundle needs.

    Raises:
        BundleError: naming every field that is missing or wrong.
    """
    try:
        return BundleMetadata.model_validate(document)
    except (ValidationError, ValueError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        texts = [f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in faults] or [str(error)]
        raise BundleError(f"{BUNDLE_METADATA}: " + "; ".join(texts)) from None


def check_versions(metadata: BundleMetadata) -> str:
    """Compare what is installed with what the bundle was made with.

    Returns:
        In words, what is older here than there by a minor version: whether it matters, the self-test says.

    Raises:
        BundleError: a package is missing, of another major version, or (this one) older; or one that is not needed.
    """
    faults, older = [], []
    own = {_canonical(line) for line in requires(OWN) or ()} | {_canonical(OWN)}
    for package, wanted in metadata.packages().items():
        if _canonical(package) not in own:
            # A stranger's file must not say what to install.
            faults.append(f"{package} is nothing {OWN} needs: do not install it, ask the sender to leave it out")
            continue
        try:
            found = version(package)
        except PackageNotFoundError:
            faults.append(f'{package} is not installed: pip install "{package}=={wanted}"')
            continue
        have, want = _numbers(found), _numbers(wanted)
        if have[:1] != want[:1] or (package == OWN and have < want):
            faults.append(f'{package} is {found} here, the bundle needs {wanted}: pip install "{package}=={wanted}"')
        elif have < want:
            older.append(f"{package} {found} (made with {wanted})")
    if faults:
        raise BundleError(f"{BUNDLE_METADATA}: " + "; ".join(faults))
    return f"older here: {', '.join(older)}" if older else "everything it needs is installed"


def _canonical(requirement: str) -> str:
    """The name a requirement starts with, as package indexes compare names."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", text.split("+")[0])[:3])
