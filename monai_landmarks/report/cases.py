"""Best, median and worst images, predictions red and truth blue, as in figure 1 of arXiv 2309.16066."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from monai_landmarks.data.dataset import Case, LandmarkDataset, State
from monai_landmarks.errors import LandmarksError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import image_means
from monai_landmarks.metrics.summary import PRESENCE_THRESHOLD
from monai_landmarks.report.figures import data_uri

PER_KIND = 3
LONGER_SIDE = 720
JPEG_QUALITY = 88


@dataclass(frozen=True)
class CaseFigure:
    """One image for the template; `picture` is None where the image cannot be shown, and `fault` says why."""

    case_id: str
    mean: float
    worst_name: str
    worst: float
    picture: str | None
    fault: str


def choose(errors: np.ndarray, per_kind: int = PER_KIND) -> dict[str, list[int]]:
    """Numbers of the best, median and worst images by mean error; no image twice, none without a point."""
    means = image_means(errors)
    order = [int(i) for i in np.argsort(means, kind="stable") if not np.isnan(means[i])]
    count = max(1, min(per_kind, len(order) // 3))
    middle = (len(order) - count + 1) // 2
    best = order[:count]
    worst = [i for i in order[-count:] if i not in best]
    median = [i for i in order[middle : middle + count] if i not in best and i not in worst]
    return {"Best": best, "Median": median, "Worst": worst[::-1]}


def case_figures(results: Results, dataset: LandmarkDataset, errors: np.ndarray) -> dict[str, list[CaseFigure]]:
    """The chosen images, drawn. An image that cannot be read is named and does not stop the report."""
    cases = {case.id: case for case in dataset.cases}
    chosen = choose(errors)
    return {
        kind: [_figure(results, i, errors[i], dataset, cases) for i in rows] for kind, rows in chosen.items() if rows
    }


def _figure(
    results: Results, i: int, errors: np.ndarray, dataset: LandmarkDataset, cases: dict[str, Case]
) -> CaseFigure:
    case_id = results.case_ids[i]
    try:
        picture, fault = _picture(results, i, dataset, cases[case_id]), ""
    except KeyError:
        picture, fault = None, "the data set file has no such case"
    except LandmarksError as error:
        picture, fault = None, str(error)
    worst = int(np.nanargmax(errors))
    mean = float(image_means(errors[None])[0])
    return CaseFigure(case_id, mean, results.names[worst], float(errors[worst]), picture, fault)


def _picture(results: Results, i: int, dataset: LandmarkDataset, case: Case) -> str:
    from monai_landmarks.data.reader import read_radiograph
    from monai_landmarks.draw import overlay

    radiograph = read_radiograph(
        dataset.root / case.image,
        frame=case.frame,
        polarity=case.polarity,
        spacing_mm=case.spacing_mm,
        magnification=case.magnification,
    )
    # What the model calls absent it does not claim to have found; where there is truth, its point is scored.
    claimed = (results.presence[i] >= PRESENCE_THRESHOLD) | (results.state[i] == State.PRESENT)
    predicted = np.where(claimed[:, None], results.predicted[i], np.nan)
    image = overlay(radiograph.pixels, truth=results.truth[i], predicted=predicted, size=LONGER_SIDE)
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    return data_uri(stream.getvalue(), "image/jpeg")
