"""Bilateral images of painted knees: a few bars and dots a network of four channels can learn."""

import numpy as np
from PIL import Image

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.scheme import Landmark, Scheme

# (down, lateral) from the knee's centre in mm.
LIMB = {"tibia_0": (0, 14), "tibia_4": (0, 0), "tibia_8": (0, -14), "femur_9": (-8, 14)}
SPACING = 1.0
SIZE = (96, 140)


def scheme():
    """Four points of each knee."""
    names = [
        (f"{name}_{side}", f"{name}_{other}") for side, other in (("right", "left"), ("left", "right")) for name in LIMB
    ]
    return Scheme(name="painted-knees", landmarks=tuple(Landmark(name=name, pair=pair) for name, pair in names))


def paint(image, centre, lateral):
    """Draw a knee around (row, column) and return its points; lateral is the sign of columns away from the middle."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    points = {name: (centre[0] + down, centre[1] + lateral * side) for name, (down, side) in LIMB.items()}
    across = np.abs(columns - centre[1]) < 15
    image += 110 * across * (np.abs(rows - centre[0] - 14) < 13) + 110 * across * (np.abs(rows - centre[0] + 20) < 12)
    for height, (row, column) in zip((120, 90, 60, 100), points.values()):
        image += height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 2.5**2))
    return points


def write_knees(folder, counts=(12, 3, 4), seed=0):
    """Write dataset.json and images; the last of each split lacks its left knee."""
    generator = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    cases = []
    for split, count in zip(("training", "validation", "test"), counts):
        for number in range(count):
            image = generator.normal(40, 4, SIZE)
            places = {"right": SIZE[1] * 0.25, "left": SIZE[1] * 0.75}
            shown = ["right"] if number == count - 1 else list(places)
            points = {}
            for side in shown:
                centre = (SIZE[0] / 2 + generator.uniform(-9, 9), places[side] + generator.uniform(-6, 6))
                knee = paint(image, centre, -1 if side == "right" else 1)
                points |= {f"{name}_{side}": (float(column), float(row)) for name, (row, column) in knee.items()}
            name = f"{split}{number}"
            Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / "images" / f"{name}.png")
            absent = [landmark for landmark in scheme().names if landmark not in points]
            annotation = Annotation(reader="painter", points=points, absent=absent)
            about = {
                "spacing_mm": (SPACING, SPACING),
                "side": "both",
                "size": SIZE,
                "attributes": {"kl_grade": number % 3},
            }
            cases.append(
                Case(id=name, image=f"images/{name}.png", patient=name, split=split, annotations=[annotation], **about)
            )
    LandmarkDataset(scheme=scheme(), cases=cases).save(folder / "dataset.json")
    return folder / "dataset.json"
