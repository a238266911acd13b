"""A mobile C-arm with an image intensifier: its geometry, its round field, and what it makes of the radiation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from monai_landmarks.data.dataset import Side
from monai_landmarks.simulate.anatomy import Range
from monai_landmarks.simulate.film import LEVELS, FilmRanges, expose
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import Radiograph
from monai_landmarks.simulate.reading import read_landmarks


@dataclass(frozen=True)
class RoundField:
    """An intensifier's field, in some images narrowed by a pair of parallel blades.

    Attributes:
        centre: (row, column).
        radius: pixels.
        half: half the distance of the blades, pixels; larger than the radius where they are open.
        angle: degrees the blades are turned by, counter-clockwise from upright on the screen.
    """

    centre: tuple[float, float]
    radius: float
    half: float
    angle: float

    def depth(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distance in pixels to the nearest edge; negative outside."""
        return np.minimum(self.from_rim(rows, columns), self._from_blades(rows, columns))

    def from_rim(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distance in pixels to the circle; negative outside."""
        distance: np.ndarray = self.radius - np.hypot(rows - self.centre[0], columns - self.centre[1])
        return distance

    def _from_blades(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        turn = np.deg2rad(self.angle)
        across = np.cos(turn) * (columns - self.centre[1]) - np.sin(turn) * (rows - self.centre[0])
        distance: np.ndarray = self.half - np.abs(across)
        return distance


@dataclass(frozen=True)
class CArmView:
    """One position of the C-arm: the projection, its field, and the distance from the source to the aimed-at plane."""

    projection: Projection
    field: RoundField
    source_patient: float


@dataclass(frozen=True)
class ScreenRanges:
    """Ranges of the camera and the display processing, each drawn uniformly.

    Attributes:
        brightness: signal of the body's median, where 1 is white before the camera saturates.
        gamma: exponent from intensity to signal.
        falloff: loss of intensity from the middle of the field to its rim.
        mottle: sigma in pixels by which intensifier and camera blur the quantum noise.
        sharpening: gain added to detail finer than about 1.5 mm.
        pedestal: signal of no radiation: veiling glare.
    """

    brightness: Range = (0.46, 0.62)
    gamma: Range = (0.55, 0.75)
    falloff: Range = (0.10, 0.28)
    mottle: Range = (0.55, 0.85)
    sharpening: Range = (0.4, 1.2)
    pedestal: Range = (0.03, 0.08)


@dataclass(frozen=True)
class CArm:
    """Ranges one hospital's fluoroscopy is taken with, each drawn uniformly.

    Attributes:
        matrices: sides of the square images in pixels.
        intensifiers: diameters of the field on the detector in mm.
        source_detector: distance in mm.
        object_detector: distance in mm from the landmarks' plane to the detector.
        fill: diameter of the field over the side of the image.
        blades: share of images in which blades narrow the field.
        bone_dark: share of files that store bone dark.
        kvp: tube voltage in kV, whole numbers, the upper bound excluded.
        exposure: tube load of one image in mAs.
        chain: scatter, blur and quanta.
        screen: camera and display.
        stray: spread of the field's place in mm; a tenth of the images is off by three times that.
    """

    matrices: tuple[int, ...]
    intensifiers: tuple[float, ...]
    source_detector: Range
    object_detector: Range
    fill: Range
    blades: float
    bone_dark: float
    kvp: tuple[int, int]
    exposure: Range
    chain: FilmRanges
    screen: ScreenRanges
    stray: float

    def draw_view(self, target: np.ndarray, rng: np.random.Generator) -> CArmView:
        """A view of `target` (3,)."""
        size = int(rng.choice(self.matrices))
        radius = rng.uniform(*self.fill) * size / 2
        spacing = float(rng.choice(self.intensifiers)) / (2 * radius)
        source_detector = rng.uniform(*self.source_detector)
        source_patient = source_detector - rng.uniform(*self.object_detector)
        stray = self.stray * (3 if rng.random() < 0.1 else 1)
        across, along = rng.normal(0, stray, size=2)
        middle = (size - 1) / 2
        centre = (middle + rng.normal(0, 0.004 * size), middle + rng.normal(0, 0.004 * size))
        source = target + np.array([across, -source_patient, along])
        narrowed = rng.random() < self.blades
        half = radius * (rng.uniform(0.72, 0.95) if narrowed else 1.1)
        field = RoundField(centre, radius, half, rng.normal(0, 7) if narrowed else 0.0)
        # A hundredth of a micrometre; the file's decimal string holds no more.
        projection = Projection(source, source_detector, round(spacing, 5), (size, size), centre)
        return CArmView(projection, field, source_patient)

    def image(self, attenuation: np.ndarray, body: np.ndarray, view: CArmView, rng: np.random.Generator) -> np.ndarray:
        """Stored values (rows, columns) uint16, bone bright: 1..4095 in the circle, 0 outside it.

        Args:
            attenuation: (rows, columns) line integrals.
            body: thickness of the body in mm, 0 under metal: brightness follows what is above 30.
            view: field and spacing.
            rng: random numbers.
        """
        rows, columns = np.arange(attenuation.shape[0])[:, None], np.arange(attenuation.shape[1])[None, :]
        field, spacing = view.field, view.projection.spacing
        rim = field.from_rim(rows, columns)
        opening = np.clip(field.depth(rows, columns) / 2.5 + 0.5, 0, 1).astype(np.float32)
        falloff = 1 - rng.uniform(*self.screen.falloff) * (1 - np.clip(rim, 0, None) / field.radius) ** 2
        density = expose(attenuation, body, (opening * falloff).astype(np.float32), spacing, self.chain, rng)
        seen = (body > 30) & (field.depth(rows, columns) > 4)
        shown = self._display(density, seen, spacing, rng)
        return np.where(rim > 0, np.round(1 + shown * (LEVELS - 2)), 0).astype(np.uint16)

    def radiograph(
        self,
        pixels: np.ndarray,
        points: dict[str, np.ndarray],
        view: CArmView,
        rng: np.random.Generator,
        side: Side = "both",
        attributes: Mapping[str, float] = MappingProxyType({}),
    ) -> Radiograph:
        """The image with what a reader writes down of it, and the settings it was taken with.

        Args:
            pixels: of `image`.
            points: landmark -> (row, column), wherever it falls.
            view: the C-arm's position.
            rng: random numbers.
            side, attributes: as in `Radiograph`.
        """
        present, absent = read_landmarks(points, view.projection.shape, view.field, frozenset(), rng)
        return Radiograph(
            pixels,
            present,
            absent,
            view.projection.spacing,
            view.projection.source_detector,
            view.source_patient,
            monochrome1=False,
            kvp=float(rng.integers(*self.kvp)),
            exposure=round(rng.uniform(*self.exposure), 3),
            side=side,
            bone_dark=bool(rng.random() < self.bone_dark),
            circle=(*view.field.centre, view.field.radius),
            attributes=attributes,
        )

    def _display(self, density: np.ndarray, seen: np.ndarray, spacing: float, rng: np.random.Generator) -> np.ndarray:
        """Bone-bright values 0..1: the camera's signal, which saturates where little is in the beam, inverted."""
        density = ndimage.gaussian_filter(density, rng.uniform(*self.screen.mottle), truncate=3.0)
        detail = density - ndimage.gaussian_filter(density, 1.5 / spacing, truncate=2.5)
        density = density + rng.uniform(*self.screen.sharpening) * detail
        gamma, brightness = rng.uniform(*self.screen.gamma), rng.uniform(*self.screen.brightness)
        signal = brightness * np.exp(-gamma * (density - float(np.median(density[seen]))))
        pedestal = rng.uniform(*self.screen.pedestal)
        camera = pedestal + (1 - pedestal) * signal / (1 + signal**5) ** 0.2
        shown: np.ndarray = 1 - np.clip(camera, 0, 1)
        return shown
