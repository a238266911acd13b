"""The statistical shape model of pelvis and lower limb: loading it safely and drawing anatomies from it.

The model is the LLP26 atlas of the package musculoskeletal-models (MPL-2.0): 26 subjects, 25 modes, pelvis
with sacrum and the left limb. It is a pickle; the loader accepts NumPy arrays and nothing else.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.errors import ConfigError
from monai_landmarks.simulate.mesh import Template, tessellate

PACKAGE = "musculoskeletal"
MISSING = (
    "the simulator needs the shape model package musculoskeletal-models, which is not installed; "
    "install it with: pip install 'monai_landmarks[demo]'"
)
# Order and number of the nodes in a shape vector, and each bone's mesh file.
BONES = {
    "pelvis": (1946, "pelvis_combined_cubic_flat"),
    "femur": (634, "femur_left_quartic_flat"),
    "patella": (74, "patella_11_left"),
    "tibia": (571, "tibia_fibula_left_cubic_flat"),
}
STEPS = {"pelvis": 10, "femur": 14, "patella": 8, "tibia": 12}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickler that builds NumPy arrays, numbers, strings and containers; any other class is refused."""

    ALLOWED = frozenset(
        {("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numpy", "ndarray"), ("numpy", "dtype")}
    )

    def find_class(self, module: str, name: str) -> Any:
        """The class or function of that name if it is needed to build an array."""
        package = "multiarray" if module in ("numpy.core.multiarray", "numpy._core.multiarray") else module
        if (package, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a shape model")
        if package == "multiarray":
            from numpy._core import multiarray

            return getattr(multiarray, name)
        return getattr(np, name)


@dataclass(frozen=True)
class ShapeModel:
    """Linear shape model: nodes = mean + modes @ (c * sqrt(variances)).

    Attributes:
        mean: bone -> (nodes, 3) mm, axes x left, y posterior, z superior.
        modes: bone -> (nodes, 3, modes).
        variances: (modes,).
        templates: bone -> how its surface follows from its nodes.
    """

    mean: dict[str, np.ndarray]
    modes: dict[str, np.ndarray]
    variances: np.ndarray
    templates: dict[str, Template]

    def draw(self, rng: np.random.Generator, spread: float, count: int = 10) -> np.ndarray:
        """Coefficients (modes,): normal, cut at +-2, times `spread`; 0 after the first `count` modes."""
        coefficients = np.zeros(len(self.variances))
        coefficients[:count] = spread * np.clip(rng.standard_normal(count), -2, 2)
        return coefficients

    def nodes(self, bone: str, coefficients: np.ndarray) -> np.ndarray:
        """Node positions (nodes, 3) of a bone. einsum, not matmul: see `mesh.move`."""
        return self.mean[bone] + np.einsum("nam,m->na", self.modes[bone], coefficients * np.sqrt(self.variances))


def package_folder() -> Path:
    """Folder of the shape model package.

    Raises:
        ConfigError: the package is not installed.
    """
    found = find_spec(f"{PACKAGE}.models") if find_spec(PACKAGE) else None
    if found is None or found.origin is None:
        raise ConfigError(MISSING)
    return Path(found.origin).parent


@lru_cache(maxsize=4)
def load_shape_model(bones: tuple[str, ...] = ("pelvis", "femur"), finer: float = 1.0) -> ShapeModel:
    """Load the model with the surfaces of the named bones; kept in memory, as every image needs it.

    Args:
        bones: names of the bones.
        finer: factor on the usual subdivisions of an element's side.

    Raises:
        ConfigError: the package is missing or its files are not what this version knows.
    """
    folder = package_folder()
    try:
        with (folder / "shape_models" / "LLP26_rigid.pc").open("rb") as stream:
            content = ArrayUnpickler(stream).load()
        return _assemble(folder / "atlas_meshes", content, bones, finer)
    except (OSError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise ConfigError(f"the shape model cannot be used: {error}; install musculoskeletal-models 0.2.4") from None


def _assemble(meshes: Path, content: dict[str, Any], bones: tuple[str, ...], finer: float) -> ShapeModel:
    """The model of the named bones from the file's arrays, whose vectors hold x of all nodes, then y, then z."""
    counts = [count for count, _ in BONES.values()]
    starts = dict(zip(BONES, np.cumsum([0, *counts]).tolist()))
    points = np.asarray(content["mean"]).reshape(3, sum(counts)).T
    fields = np.asarray(content["modes"]).reshape(3, sum(counts), -1).transpose(1, 0, 2)
    mean, modes, templates = {}, {}, {}
    for bone in bones:
        count, mesh = BONES[bone]
        part = slice(starts[bone], starts[bone] + count)
        mean[bone], modes[bone] = points[part], np.ascontiguousarray(fields[part])
        templates[bone] = _template(meshes / f"{mesh}.mesh", points[part], round(finer * STEPS[bone]))
    # The last variance is zero up to rounding and may be negative.
    return ShapeModel(mean, modes, np.maximum(np.asarray(content["weights"]), 0), templates)


def _template(path: Path, reference: np.ndarray, steps: int) -> Template:
    """A bone's surface from its mesh file: element types, and which elements share which nodes."""
    document = json.loads(path.read_text(encoding="utf-8"))
    kinds = {}
    for key, value in document["elements"].items():
        name = value if isinstance(value, str) else value[1]
        kinds[int(key)] = name.split()[-1]
    same = {_local(key): [_local(part) for part in value.split()] for key, value in document["connectivity"].items()}
    number: dict[tuple[int, int], int] = {}
    count = 0
    for local in sorted(same):
        if local not in number:
            number.update(dict.fromkeys([local, *same[local]], count))
            count += 1
    if count != len(reference):
        raise ValueError(f"{path.name} has {count} nodes, expected {len(reference)}")
    connectivity = {element: [number[e, p] for e, p in sorted(number) if e == element] for element in sorted(kinds)}
    return tessellate({element: kinds[element] for element in sorted(kinds)}, connectivity, reference, steps)


def _local(text: str) -> tuple[int, int]:
    element, point = text.split("_")
    return int(element), int(point)
