"""The HTML page: what it says, what it must not hold."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import Results, summarise
from monai_landmarks.report import write_report

NAN = float("nan")


class Page(HTMLParser):
    """Text and addresses of a page; checks that elements nest."""

    VOID = frozenset({"meta", "img", "br", "line", "rect", "circle"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[bytes] = []
        self.words: list[str] = []
        self.raw = path.read_text(encoding="utf-8")
        self.feed(self.raw)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action"):
                self.addresses.append(value or "")
                if (value or "").startswith("data:image/jpeg;base64,"):
                    self.pictures.append(base64.b64decode((value or "").split(",", 1)[1]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture
def write(dataset: LandmarkDataset, evaluate: Callable[..., Results], tmp_path: Path) -> Callable[..., Page]:
    """A function that writes a report of the given results (or of made ones) and reads it back."""

    def make(results: Results | None = None, **more: Any) -> Page:
        results = evaluate() if results is None else results
        more.setdefault("metrics", summarise(results, "test", bootstrap=100))
        output = tmp_path / "out" / "report.html"
        assert write_report(output, results=results, dataset=dataset, **more) == output
        assert not list(tmp_path.rglob("*.part"))
        return Page(output)

    return make


def test_page_stands_alone(write: Callable[..., Page]) -> None:
    page = write(history=[{"epoch": 1, "loss": 1.0}])
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert not re.search(r"https?://", page.raw)
    assert "@import" not in page.raw
    assert "<script" not in page.raw


def test_the_caption_tells_of_a_validation_only_where_there_was_one(write: Callable[..., Page]) -> None:
    told = "the dot marks the best validation error"
    assert told not in write(history=[{"epoch": 1, "loss": 1.0, "val_mre": float("nan")}]).raw
    assert told in write(history=[{"epoch": 1, "loss": 1.0, "val_mre": 2.0}]).raw


def test_numbers_of_metrics_are_on_the_page(write: Callable[..., Page], evaluate: Callable[..., Results]) -> None:
    results, other = evaluate(), evaluate(20.0)
    metrics, worse = summarise(results, "test", bootstrap=100), summarise(other, "test", bootstrap=100)
    page = write(results, metrics=metrics, compare={"one-pixel baseline": (worse, other)}, title="A <title>")
    assert "A <title>" in page.text
    assert "one-pixel baseline" in page.text
    for entry in (metrics, worse, *metrics["landmarks"].values(), *metrics["groups"].values()):
        assert f" {entry['mm']['mre']:.2f} " in page.text
        low, high = entry["mm"]["ci95"]["mre"]
        assert f"[{low:.2f}, {high:.2f}]" in page.text
    for threshold, share in metrics["mm"]["sdr"].items():
        assert f"< {float(threshold):g} mm" in page.text
        assert f"{100 * share:.1f} %" in page.text
    for name in (*results.names, "heads"):
        assert name in page.text
    assert f"{metrics['network_px']['rmse_published']:.2f}" in page.text


def test_plane_stands_beside_millimetres(write: Callable[..., Page], evaluate: Callable[..., Results]) -> None:
    assert write().text.count("patient plane") >= 15
    results = dataclasses.replace(evaluate(), planes=["detector_plane"] * 12)
    assert "too long by the radiographic magnification" in write(results).text
    results.planes[0] = "calibrated"
    text = write(results).text
    assert "mixed planes" in text
    assert "1 calibrated plane, 11 detector plane" in text


def test_headline_in_plain_words(write: Callable[..., Page], evaluate: Callable[..., Results]) -> None:
    metrics = summarise(evaluate(), "test", bootstrap=100)
    text = write(metrics=metrics).text
    assert "In the test split (12 images of 6 patients, 46 annotated points), a prediction is on average" in text
    assert f"Half of the points are within {metrics['mm']['median']:.2f} mm." in text
    assert "No point is more than 10 mm off." in text
    far = evaluate()
    far.predicted[0, 0] += 500
    assert "1 of 46 points (2.2 %) is more than 10 mm off." in write(far).text


def test_notes_and_provenance(write: Callable[..., Page]) -> None:
    page = write(notes=["The radiographs are simulated & so on."], provenance={"seed": "7", "file": "/a/b.json"})
    assert "The radiographs are simulated & so on." in page.text
    assert "&amp; so on" in page.raw
    assert re.search(r"seed\s+7", page.text)
    assert "/a/b.json" in page.text


def test_best_median_and_worst_cases_show_truth_and_prediction(
    write: Callable[..., Page], evaluate: Callable[..., Results]
) -> None:
    results = evaluate()
    means = np.nanmean(results.errors_mm(), axis=1)
    page = write(results)
    order = [results.case_ids[i] for i in np.argsort(means)]
    shown = re.findall(r"<b>(image \d\d)</b>", page.raw)
    assert shown == [*order[:3], *order[5:8], *order[:-4:-1]]
    assert len(page.pictures) == 8 + 9
    picture = np.asarray(Image.open(io.BytesIO(page.pictures[-1])).convert("RGB")).astype(int)
    assert max(picture.shape) == 720
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    assert ((red - blue > 120) & (red - green > 120)).sum() > 50
    assert ((blue - red > 100) & (blue > 180)).sum() > 50


def test_points_that_the_model_calls_absent_are_not_drawn(
    write: Callable[..., Page], evaluate: Callable[..., Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[np.ndarray] = []

    def overlay(pixels: np.ndarray, truth: np.ndarray, predicted: np.ndarray, *rest: Any, **more: Any) -> Image.Image:
        drawn.append(predicted)
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr("monai_landmarks.report.cases.overlay", overlay)
    results = evaluate()
    results.truth[:, 3], results.state[:, 3] = NAN, 2
    results.presence[:, 3] = 0.4
    results.presence[:, 0] = 0.1
    write(results)
    assert all(np.isnan(points[3]).all() and np.isfinite(points[:3]).all() for points in drawn)
    assert len(drawn) == 9


def test_images_that_cannot_be_shown_are_named(
    write: Callable[..., Page], evaluate: Callable[..., Results], dataset: LandmarkDataset
) -> None:
    results = evaluate()
    best, second = np.argsort(np.nanmean(results.errors_mm(), axis=1))[:2]
    (dataset.root / dataset.cases[best].image).write_bytes(b"")
    dataset.cases[second].id = "renamed"
    page = write(results)
    assert page.text.count("This image cannot be shown") == 2
    assert f"{dataset.cases[best].image}" in page.text
    assert "the data set file has no such case" in page.text
    # Eight of the furthest points, then the images that are left.
    assert len(page.pictures) == 8 + 7


def test_public_page_shows_no_patient(write: Callable[..., Page], dataset: LandmarkDataset) -> None:
    dataset.cases[0].split = "training"
    history = [{"epoch": e, "radius": 40.0 / e, "shape": "Disk"} for e in range(1, 5)]

    def embedded(page: Page) -> int:
        """Raster images within the figures: the image behind the errors, a panel for each epoch of the schedule."""
        svgs = [base64.b64decode(a.split(",", 1)[1]) for a in page.addresses if a.startswith("data:image/svg+xml")]
        return sum(svg.count(b"<image") for svg in svgs)

    # The four panels are drawn either way, on a training image or on none.
    assert embedded(write(history=history)) == 1 + 4
    page = write(history=history, public=True, provenance={"seed": "7", "command": "train runs/a", "file": "C:\\scans"})
    assert embedded(page) == 4
    assert page.text.count("the mean of the annotated shapes") == 2
    assert page.pictures == []
    for case in dataset.cases:
        assert case.id not in page.raw
        assert (case.patient or "") not in page.raw
    assert "runs/a" not in page.raw
    assert "C:\\scans" not in unescape(page.raw)
    assert re.search(r"seed\s+7", page.text)


def test_presence_table_holds_what_tells_something(
    write: Callable[..., Page], evaluate: Callable[..., Results]
) -> None:
    results = evaluate()
    results.presence[:, 2] = 0.0
    text = write(results).text
    assert "Of 1 annotated as absent, 100.0 % were called absent (specificity)." in text
    table = text.split("absent called absent")[1].split("Red")[0]
    assert re.search(r"tip 11 0\.0 % 0 –", table)
    assert re.search(r"notch 11 100\.0 % 1 100\.0 %", table)
    assert "head_left" not in table


def test_pixels_where_no_spacing_is_known(write: Callable[..., Page], evaluate: Callable[..., Results]) -> None:
    blind = dataclasses.replace(evaluate(), spacing=np.full((12, 2), NAN), planes=["unknown"] * 12)
    metrics = summarise(blind, "test", bootstrap=100)
    page = write(blind, metrics=metrics)
    assert "No image has a known pixel spacing" in page.text
    assert f"{metrics['px']['mre']:.2f} px" in page.text
    assert not re.search(r"\d mm", page.text.split("What the words mean")[0])


def test_some_images_without_spacing(write: Callable[..., Page], evaluate: Callable[..., Results]) -> None:
    results = evaluate()
    results.spacing[[2, 7]] = NAN
    assert "2 of 12 images have no known pixel spacing and count in pixels only." in write(results).text


def test_comparison_on_other_images_is_said(write: Callable[..., Page], evaluate: Callable[..., Results]) -> None:
    other = dataclasses.replace(evaluate(), case_ids=[f"x{i}" for i in range(12)])
    moved = dataclasses.replace(other, images=[f"/elsewhere/{i}" for i in range(12)], truth=other.truth + 1)
    page = write(compare={"theirs": (summarise(moved, "test", bootstrap=0), moved)})
    assert "“theirs” was evaluated on other images" in page.text
    assert "This evaluation and “theirs”" in page.text
    some = dataclasses.replace(evaluate(), case_ids=[f"x{i}" if i else "image 00" for i in range(12)])
    text = write(compare={"theirs": (summarise(some, "test", bootstrap=0), some)}).text
    assert "“theirs” shares 1 images with this evaluation" in text
    assert "This evaluation and" not in text
    same = evaluate(9.0)
    assert "“theirs”" not in write(compare={"theirs": (summarise(same, "test", bootstrap=0), same)}).text


def test_sites_are_compared_where_the_cases_name_them(write: Callable[..., Page], dataset: LandmarkDataset) -> None:
    assert "Sites in this evaluation" not in write().text
    for i, case in enumerate(dataset.cases):
        case.attributes["site"] = "north" if i < 5 else "south"
    text = write().text
    assert "Sites in this evaluation" in text
    assert re.search(r"images 5 7 patients 3 4 points \d+ \d+ MRE", text)


def test_the_error_plane_and_the_furthest_points_are_described(
    write: Callable[..., Page], evaluate: Callable[..., Results]
) -> None:
    results = evaluate()
    results.predicted = np.nan_to_num(results.truth, nan=40.0) + np.array([10.0, -5.0])
    results.predicted[4, 1] = results.truth[4, 0]
    text = write(results).text
    # A bias of 10 px down and 5 px to the left, 0.2 mm each.
    assert text.count("−1.00 +2.00 2.24") == 3
    assert "an image of middling error" in text
    assert f"head_right · {results.errors_mm()[4, 1]:.2f} mm" in text
    assert "where head_left is annotated" in text
    assert "mm wide" in text


@pytest.mark.parametrize("kind", ["not predicted", "nothing annotated", "no intervals", "no thresholds"])
def test_poor_results_still_make_a_page(
    kind: str, write: Callable[..., Page], evaluate: Callable[..., Results]
) -> None:
    results = evaluate()
    settings: dict[str, Any] = {"bootstrap": 0}
    if kind == "not predicted":
        results.predicted[:4] = NAN
    if kind == "nothing annotated":
        results.truth[:], results.state[:] = NAN, 0
    if kind == "no thresholds":
        settings |= {"thresholds_mm": (), "thresholds_px": ()}
    page = write(results, metrics=summarise(results, "test", **settings))
    expected = {
        "not predicted": "got no prediction, so no mean error exists",
        "nothing annotated": "no annotated landmark to compare with",
        "no intervals": "Half of the points",
        "no thresholds": "Half of the points",
    }
    assert expected[kind] in page.text
    assert "None" not in page.text
    assert "nan" not in page.text
