"""The figure of the curriculum: the label regions on one image at several epochs, the radius over all of them.

After the idea of figure 1 in arXiv 2309.16066, drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.draw import to_uint8
from monai_landmarks.errors import LandmarksError
from monai_landmarks.metrics import Results
from monai_landmarks.report.figures import COLOURS, MUTED, STYLE, svg_uri
from monai_landmarks.report.pictures import read_case
from monai_landmarks.report.plane import mean_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = 6
# Inches.
WIDTH, TITLE, CURVE = 11.0, 0.35, 1.9
RECORDED, ASSUMED = "of shape {}", "drawn as diamonds, the shape not being recorded"
LONGER_SIDE = 300
MARGIN = 0.18
SHARE = 0.6
TRIED = 3
TINTS = np.array([(255, 176, 59), (90, 209, 230), (255, 105, 120), (150, 220, 120), (190, 150, 255), (255, 235, 110)])


@dataclass(frozen=True)
class Ground:
    """What the regions are drawn on.

    Attributes:
        pixels: (H, W) uint8, the landmarks' surroundings.
        points: (K, 2) the landmarks as (row, column) in them.
        longer_side: of the whole image in these pixels, to which radii refer.
    """

    pixels: np.ndarray
    points: np.ndarray
    longer_side: float


def schedule_section(
    history: Sequence[Mapping[str, Any]], results: Results, dataset: LandmarkDataset | None
) -> dict[str, str] | None:
    """Figure, ground, shape and window for the template; None where the radius was not recorded or never changes.

    Args:
        history: as for `schedule_figure`.
        results: their mean shape is the ground where there is no image.
        dataset: gives a training image; None shows no patient.
    """
    share = field_of_view(history)
    ground = training_ground(dataset, share) if dataset is not None else None
    where = "a training image" if ground else "the mean of the annotated shapes"
    if ground is None:
        shape = mean_shape(results, "px")
        if np.isfinite(shape).all(axis=1).sum() < 2:
            return None
        ground = plain_ground(shape, share)
    figure = schedule_figure(history, ground)
    name = shape_of(history).lower()
    window = f"{100 * share:.0f} %" if share < 1 else ""
    shape_text = RECORDED.format(name) if name else ASSUMED
    return {"figure": figure, "where": where, "shape": shape_text, "window": window} if figure else None


def schedule_figure(history: Sequence[Mapping[str, Any]], ground: Ground) -> str | None:
    """Regions at up to six epochs over the radius curve; None where the radius was not recorded or never changes.

    Args:
        history: a row an epoch; keys epoch, radius (at a longer side of 512 of what the network sees) and, if recorded,
            shape and field_of_view, the share of the image's longer side the network sees.
        ground: what the regions are drawn on.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs, radii = recorded_radii(history)
    if radii.size < 2 or radii.max() == radii.min():
        return None
    chosen = choose_epochs(radii)
    share = field_of_view(history)
    rows, columns = ground.pixels.shape
    across = (WIDTH - 0.2) / PANELS
    image = across * rows / columns
    height = TITLE + image + CURVE
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        for place, n in enumerate(chosen):
            box = (0.1 + place * across, CURVE, 0.96 * across, image)
            axes = figure.add_axes((box[0] / WIDTH, box[1] / height, box[2] / WIDTH, box[3] / height))
            axes.imshow(paint_regions(ground, float(radii[n]) * share, shape_of(history)), interpolation="bilinear")
            if share < 1:
                add_window(axes, ground, share)
            axes.set_axis_off()
            axes.set_title(f"epoch {epochs[n]:g}, radius {radii[n]:.3g}", fontsize=10)
        sides = (0.75 / WIDTH, 0.5 / height, (WIDTH - 0.95) / WIDTH, (CURVE - 0.65) / height)
        curve = figure.add_axes(sides)
        curve.plot(epochs, radii, drawstyle="steps-post", color=COLOURS[0], linewidth=1.8)
        curve.fill_between(epochs, 0, radii, step="post", color=COLOURS[0], alpha=0.12, linewidth=0)
        curve.plot(epochs[chosen], radii[chosen], "o", color=COLOURS[0], markersize=5, clip_on=False)
        curve.set(xlim=(epochs[0], epochs[-1]), ylim=(0, 1.12 * radii.max()), xlabel="epoch")
        curve.set_ylabel(
            "radius,\npx at 512" if share == 1 else "radius, px of\na window at 512", color=MUTED, fontsize=9
        )
        curve.xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg_uri(figure)


def recorded_radii(history: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and their radii, where both were recorded."""
    pairs = [(float(row.get("epoch", n + 1)), float(row.get("radius", np.nan))) for n, row in enumerate(history)]
    known = np.array([pair for pair in pairs if np.isfinite(pair).all()]).reshape(-1, 2)
    return known[:, 0], known[:, 1]


def choose_epochs(radii: np.ndarray, count: int = PANELS) -> list[int]:
    """Rows to show: the first, the last radius's first, and between them steps of one factor, as the eye sees them."""
    low = max(float(radii.min()), 1.0)
    wanted = np.geomspace(max(float(radii.max()), low), low, count)
    wanted[-1] = radii.min()
    return sorted({int(np.argmin(np.abs(radii - radius))) for radius in wanted})


def shape_of(history: Sequence[Mapping[str, Any]]) -> str:
    """The recorded shape's name; "" if it is not recorded or none of ours."""
    from monai_landmarks.transforms import shapes

    name = str(history[-1].get("shape") or "") if history else ""
    return name if name and isinstance(getattr(shapes, name, None), type) else ""


def field_of_view(history: Sequence[Mapping[str, Any]]) -> float:
    """Share of the image's longer side the network sees; 1, the whole of it, if it is not recorded."""
    return float(history[-1].get("field_of_view", 1.0)) if history else 1.0


def add_window(axes: Axes, ground: Ground, share: float) -> None:
    """Outline what the network sees around the landmark in the middle of the others; the axes show the ground."""
    from matplotlib.patches import Rectangle

    row, column = middle_landmark(ground.points)
    side = share * ground.longer_side
    corner = (column - side / 2, row - side / 2)
    axes.autoscale(False)
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor="white", linestyle=(0, (3, 2)), linewidth=0.9))


def middle_landmark(points: np.ndarray) -> np.ndarray:
    """Of (K, 2) points the one nearest to their mean; those that are not known are NaN."""
    known = points[np.isfinite(points).all(axis=1)]
    return known[np.argmin(np.square(known - known.mean(axis=0)).sum(axis=1))]


def paint_regions(ground: Ground, radius: float, shape: str) -> np.ndarray:
    """(H, W, 3) uint8: the image with every landmark's region, each in a tint of its own.

    Args:
        ground: image and landmarks.
        radius: where the whole image's longer side is 512.
        shape: name of the shape; the diamond for "".
    """
    import torch

    from monai_landmarks.curriculum import REFERENCE_SIZE
    from monai_landmarks.transforms import shapes

    size = (ground.pixels.shape[0], ground.pixels.shape[1])
    form = getattr(shapes, shape or "Diamond")()
    points = torch.from_numpy(ground.points)
    weights = shapes.point_regions(points, size, radius * ground.longer_side / REFERENCE_SIZE, form).float().numpy()
    picture = np.repeat(0.85 * ground.pixels[..., None].astype(float), 3, axis=2)
    for k, weight in enumerate(weights):
        share = SHARE * weight[..., None]
        picture += share * (TINTS[k % len(TINTS)] - picture)
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def training_ground(dataset: LandmarkDataset, share: float = 1.0) -> Ground | None:
    """The first training image with the most landmarks that can be read, of the first few; None if there is none."""
    cases = dataset.select("training")
    points = [case.points(dataset.scheme)[0] for case in cases]
    counts = np.array([int(np.isfinite(place).all(axis=1).sum()) for place in points])
    for n in np.argsort(-counts, kind="stable")[:TRIED]:
        if counts[n] < 2:
            continue
        try:
            return surroundings(to_uint8(read_case(dataset, cases[n])), points[n], share)
        except LandmarksError:
            continue
    return None


def plain_ground(shape: np.ndarray, share: float = 1.0) -> Ground:
    """No image: the landmarks of a mean shape (K, 2) in a dark rectangle, as large as an image around them would be."""
    low, high = np.nanmin(shape, axis=0), np.nanmax(shape, axis=0)
    return surroundings(np.full(np.ceil(high + 0.2 * (high - low)).astype(int) + 1, 40, dtype=np.uint8), shape, share)


def surroundings(pixels: np.ndarray, points: np.ndarray, share: float = 1.0) -> Ground:
    """Cut an image (H, W) to its landmarks and a margin, and bring that to the figure's size.

    Where the network sees a `share` of the image only, to twice such a window around the landmark in the middle: the
    regions of all landmarks would be specks.
    """
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    edge = MARGIN * float(max(high - low))
    if share < 1:
        low = high = middle_landmark(points)
        edge = share * max(pixels.shape)
    start = np.maximum(np.floor(low - edge), 0).astype(int)
    stop = np.minimum(np.ceil(high + edge).astype(int) + 1, pixels.shape)
    part = pixels[start[0] : stop[0], start[1] : stop[1]]
    scale = LONGER_SIDE / max(part.shape)
    shape = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = np.asarray(Image.fromarray(part).resize(shape, Image.Resampling.LANCZOS))
    return Ground(small, (points - start + 0.5) * scale - 0.5, scale * max(pixels.shape))
