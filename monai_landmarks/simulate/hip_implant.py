"""A total hip replacement: its parts as closed surfaces, the bone made ready for it, and its landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monai_landmarks.simulate.anatomy import SIDES, Anatomy, Bone, Range
from monai_landmarks.simulate.hip_stem import Stem, draw_stem, resect
from monai_landmarks.simulate.mesh import Surface
from monai_landmarks.simulate.projection import Projection, ellipse_axes
from monai_landmarks.simulate.solids import along, ellipsoid, tube

# Effective linear attenuation in 1/mm, less that of the tissue metal takes the place of; the beam hardens in metal.
TITANIUM, COBALT_CHROMIUM, CERAMIC = 0.24, 0.60, 0.13
LINER = 4.5
HEAD_RADII = (14.0, 16.0, 18.0)


@dataclass(frozen=True)
class ImplantRanges:
    """Ranges an implant and its place are drawn from, each uniformly, in degrees and mm.

    Attributes:
        inclination, anteversion: the cup's radiographic angles (Murray 1993) against the detector's plane and rows.
        press_fit: cup radius over the socket's.
        shell: thickness of the cup's wall.
        medial, superior: shift of the hip's centre against the natural one.
        wear: penetration of the head into the liner.
        screws: share of cups held by screws.
        length: from the stem's tip to where neck and shaft axis meet.
        neck_shaft: angle between stem and neck.
        ceramic: share of ceramic heads.
    """

    inclination: Range = (32.0, 52.0)
    anteversion: Range = (5.0, 27.0)
    press_fit: Range = (0.3, 1.8)
    shell: Range = (2.6, 3.6)
    medial: Range = (-1.0, 5.0)
    superior: Range = (-2.0, 4.0)
    wear: Range = (0.0, 0.9)
    screws: float = 0.35
    length: Range = (88.0, 114.0)
    neck_shaft: Range = (130.0, 136.0)
    ceramic: float = 0.4


@dataclass(frozen=True)
class HipImplant:
    """An implanted hip.

    Attributes:
        parts: each a closed surface and its attenuation in 1/mm.
        cup_centre: (3,) centre of the cup's rim.
        cup_axis: (3,) unit vector out of the cup's opening.
        cup_radius: of the rim, mm.
            stem: the femoral component.
        inclination, anteversion: degrees, as in `ImplantRanges`.
    """

    parts: tuple[tuple[Surface, float], ...]
    cup_centre: np.ndarray
    cup_axis: np.ndarray
    cup_radius: float
    head_centre: np.ndarray
    stem: Stem
    inclination: float
    anteversion: float

    def attenuation(self, projection: Projection) -> np.ndarray:
        """Line integrals (rows, columns) through the metal."""
        total = np.zeros(projection.shape, dtype=np.float32)
        for surface, coefficient in self.parts:
            total += coefficient * projection.path_length(surface)
        return total

    def points(self, projection: Projection) -> dict[str, np.ndarray]:
        """(row, column) of the implant's landmarks.

        The rim is a circle; its image is an ellipse, whose long axis ends at the two landmarks of the cup.
        """
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        circle = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1) * self.cup_radius
        rim = projection.project(np.einsum("ij,nj->ni", along(self.cup_axis), circle) + self.cup_centre)
        centre, long_half, _ = ellipse_axes(rim)
        upper = long_half if long_half[0] < 0 else -long_half
        return {
            "cup_rim_superior": centre + upper,
            "cup_rim_inferior": centre - upper,
            "implant_head_centre": projection.project(self.head_centre),
            "stem_tip": projection.project(self.stem.tip),
            "stem_shoulder": self.stem.shoulder(projection),
        }

    def attributes(self) -> dict[str, float]:
        """What a measured cup can be compared with: degrees and mm."""
        return {
            "cup_inclination_deg": round(self.inclination, 2),
            "cup_anteversion_deg": round(self.anteversion, 2),
            "cup_diameter_mm": round(2 * self.cup_radius, 2),
        }


def implant_hip(
    anatomy: Anatomy, side: str, ranges: ImplantRanges, rng: np.random.Generator
) -> tuple[Anatomy, HipImplant]:
    """Replace the hip of a side: the socket reamed, the femoral head and neck cut off, cup, head and stem put in."""
    outward = 1.0 if side == "left" else -1.0
    socket = anatomy.head_centres[side]
    # The joint space belongs to the socket.
    radius = anatomy.head_radii[side] + 2.8 + rng.uniform(*ranges.press_fit)
    centre = socket + np.array([-outward * rng.uniform(*ranges.medial), 0.0, rng.uniform(*ranges.superior)])
    inclination, anteversion = rng.uniform(*ranges.inclination), rng.uniform(*ranges.anteversion)
    axis = cup_direction(inclination, anteversion, outward)
    shell = rng.uniform(*ranges.shell)
    cup, rim = _cup(radius, shell, rng.uniform(0.0, 0.13), axis, centre)
    bore = max((r for r in HEAD_RADII if r <= radius - shell - LINER), default=HEAD_RADII[0])
    head_centre = centre + rng.uniform(*ranges.wear) * np.array([outward * 0.5, 0.0, 0.86])
    stem = draw_stem(anatomy.femurs[side], head_centre, ranges.length, ranges.neck_shaft, rng)
    head = ellipsoid(head_centre, np.full(3, bore), rings=31, segments=64)
    material = CERAMIC if rng.random() < ranges.ceramic else COBALT_CHROMIUM
    parts = [(cup, TITANIUM), (head, material), (stem.body, TITANIUM), (stem.neck, TITANIUM)]
    if rng.random() < ranges.screws:
        parts += [(screw, TITANIUM) for screw in _screws(radius, axis, centre, outward, rng)]
    operated = replace(
        anatomy,
        pelvis=_reamed(anatomy.pelvis, centre, radius + 0.2),
        femurs={s: resect(anatomy.femurs[s], stem) if s == side else anatomy.femurs[s] for s in SIDES},
    )
    implant = HipImplant(tuple(parts), *rim, head_centre, stem, inclination, anteversion)
    return operated, implant


def cup_direction(inclination: float, anteversion: float, outward: float) -> np.ndarray:
    """Axis (3,) out of a cup's opening from its radiographic angles in degrees; `outward` is 1 left, -1 right.

    Inclination lies between the body's long axis and the cup's axis as seen from the front, anteversion between
    the cup's axis and the frontal plane (Murray, J Bone Joint Surg Br 1993;75:228).
    """
    tilt, turn = np.deg2rad(inclination), np.deg2rad(anteversion)
    return np.array([outward * np.sin(tilt) * np.cos(turn), -np.sin(turn), -np.cos(tilt) * np.cos(turn)])


def _cup(
    radius: float, shell: float, shortfall: float, axis: np.ndarray, centre: np.ndarray
) -> tuple[Surface, tuple[np.ndarray, np.ndarray, float]]:
    """A spherical shell short of a hemisphere by `shortfall` radians, and its rim's centre, axis and radius."""
    widest = np.pi / 2 - shortfall
    depth, inner = radius * np.cos(widest), radius - shell
    outside = np.linspace(0.02, widest, 40)
    inside = np.linspace(np.arccos(depth / inner), 0.02, 40)
    z = np.concatenate([-radius * np.cos(outside), -inner * np.cos(inside)])
    width = np.concatenate([radius * np.sin(outside), inner * np.sin(inside)])
    cup = tube(z, width, width, segments=120).moved(along(axis), np.zeros(3), centre)
    return cup, (centre - depth * axis, axis, float(radius * np.sin(widest)))


def _screws(
    radius: float, axis: np.ndarray, centre: np.ndarray, outward: float, rng: np.random.Generator
) -> list[Surface]:
    """One or two screws through the dome into the ilium above it."""
    screws = []
    for _ in range(int(rng.integers(1, 3))):
        direction = -axis + np.array([outward * rng.uniform(0.1, 0.7), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.9)])
        direction /= np.linalg.norm(direction)
        z = np.arange(radius - 5, radius + rng.uniform(14, 28), 0.7)
        # Core and thread.
        width = np.where(np.arange(len(z)) % 3 == 0, 3.1, 2.1)
        width[:3], width[-1] = 3.6, 1.0
        screws.append(tube(z, width, width, segments=24).moved(along(direction), np.zeros(3), centre))
    return screws


def _reamed(pelvis: Bone, centre: np.ndarray, radius: float) -> Bone:
    """The pelvis with the bone inside a ball pushed out to its surface."""
    offset = pelvis.surface.vertices - centre
    distance = np.linalg.norm(offset, axis=1, keepdims=True)
    vertices = np.where(distance < radius, centre + offset * (radius / np.maximum(distance, 1e-6)), centre + offset)
    return replace(pelvis, surface=Surface(vertices, pelvis.surface.faces))
