"""The fingerprint of a data set: what is in it, and what is wrong or suspicious."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from monai_landmarks.data import checks
from monai_landmarks.data.dataset import SPLITS, Case, LandmarkDataset, State
from monai_landmarks.data.polarity_check import polarity_outliers
from monai_landmarks.data.probe import Probe, probe_cases
from monai_landmarks.data.verdict import faults_of, warnings_of

UNASSIGNED = "unassigned"


@dataclass(frozen=True)
class Fingerprint:
    """Counts and findings; cases are named by their ids. Everything in it can be written as JSON.

    Attributes:
        digest: of the data set file's content.
        scheme: its name.
        cases: cases per split and "unassigned".
        patients: likewise; cases without a patient count as a patient each.
        sizes: "rows x columns" -> images, the most frequent first.
        spacings: "row x column mm" or "unknown" -> images.
        planes: plane of the spacing -> images.
        coverage: landmark -> cases in which it is present, absent, unlabelled (readers taken together).
        readers: reader -> cases.
        views: body part and view -> images, "" where the files do not say.
        unannotated: cases without any annotation.
        unreadable: case -> what is wrong with its file.
        patients_in_two_splits: patient -> splits.
        points_outside: case -> points.
        size_mismatches: case -> recorded and found [rows, columns].
        duplicates: groups of cases with the same pixels.
        polarity_outliers: cases that look inverted.
        swapped_pairs: case -> left/right pairs in the opposite order of the majority.
        side_mismatches: case -> side in the data set, laterality in the file.
        burned_in: cases whose files say that text is burned in.
        faults: what makes the data set unusable.
        warnings: what somebody should look at.
    """

    digest: str
    scheme: str
    cases: dict[str, int]
    patients: dict[str, int]
    sizes: dict[str, int]
    spacings: dict[str, int]
    planes: dict[str, int]
    coverage: dict[str, dict[str, int]]
    readers: dict[str, int]
    views: dict[str, int]
    unannotated: list[str]
    unreadable: dict[str, str]
    patients_in_two_splits: dict[str, list[str]]
    points_outside: dict[str, list[str]]
    size_mismatches: dict[str, tuple[tuple[int, int], tuple[int, int]]]
    duplicates: list[list[str]]
    polarity_outliers: list[str]
    swapped_pairs: dict[str, list[str]]
    side_mismatches: dict[str, tuple[str, str]]
    burned_in: list[str]
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for `json.dumps`."""
        return asdict(self)

    def suspects(self) -> set[str]:
        """Cases that a finding names, to be looked at first."""
        named: set[str] = set(self.polarity_outliers) | {c for group in self.duplicates for c in group}
        for finding in (self.unreadable, self.points_outside, self.size_mismatches):
            named |= set(finding)
        return named | set(self.swapped_pairs) | set(self.side_mismatches)


def fingerprint(
    dataset: LandmarkDataset, workers: int = 0, progress: Callable[[int], None] | None = None
) -> Fingerprint:
    """Read every image and gather the fingerprint; files that cannot be read are listed in it.

    Args:
        dataset: also one that `find_faults` objects to.
        workers: processes that read; 0 for none but this one. With processes, a script must guard its entry
            with `if __name__ == "__main__"`.
        progress: called with the number of images read so far.
    """
    probes = probe_cases(dataset, workers, progress)
    return assess(dataset, probes)


def assess(dataset: LandmarkDataset, probes: list[Probe]) -> Fingerprint:
    """The fingerprint from what `probe_cases` found, one probe a case in the same order."""
    good = [probe for probe in probes if probe.error is None]
    sizes = {probe.case_id: probe.size for probe in good if probe.size is not None}
    miniatures = {probe.case_id: probe.miniature for probe in good if probe.miniature is not None}
    found: dict[str, Any] = {
        "unreadable": {probe.case_id: probe.error for probe in probes if probe.error is not None},
        "patients_in_two_splits": checks.patients_in_two_splits(dataset),
        "points_outside": checks.points_outside(dataset, sizes),
        "size_mismatches": checks.size_mismatches(dataset, sizes),
        "duplicates": checks.duplicate_images(good),
        "polarity_outliers": polarity_outliers(miniatures, {probe.case_id: probe.view for probe in good}),
        "swapped_pairs": checks.swapped_pairs(dataset),
        "side_mismatches": checks.side_mismatches(dataset, good),
        "burned_in": [probe.case_id for probe in good if probe.burned_in],
        "unannotated": [c.id for c in dataset.cases if not any(a.points or a.absent for a in c.annotations)],
    }
    content = _counts(dataset, good) | found
    return Fingerprint(**content, faults=faults_of(dataset, content), warnings=warnings_of(dataset, content))


def _counts(dataset: LandmarkDataset, probes: list[Probe]) -> dict[str, Any]:
    parts: dict[str, list[Case]] = {name: dataset.select(name) for name in SPLITS}
    parts[UNASSIGNED] = [case for case in dataset.cases if case.split is None]
    return {
        "digest": dataset.digest(),
        "scheme": dataset.scheme.name,
        "cases": {name: len(cases) for name, cases in parts.items()},
        "patients": {name: len({case.patient_key for case in cases}) for name, cases in parts.items()},
        "sizes": _frequencies(f"{p.size[0]} x {p.size[1]}" for p in probes if p.size),
        "spacings": _frequencies(_spacing_text(probe) for probe in probes),
        "planes": _frequencies(probe.plane for probe in probes),
        "coverage": _coverage(dataset),
        "readers": _frequencies(a.reader for case in dataset.cases for a in case.annotations),
        "views": _frequencies(probe.view for probe in probes),
    }


def _frequencies(items: Iterable[str]) -> dict[str, int]:
    return dict(Counter(items).most_common())


def _spacing_text(probe: Probe) -> str:
    if probe.spacing_mm is None:
        return "unknown"
    return f"{probe.spacing_mm[0]:.4g} x {probe.spacing_mm[1]:.4g} mm"


def _coverage(dataset: LandmarkDataset) -> dict[str, dict[str, int]]:
    counts = {name: {state.name.lower(): 0 for state in State} for name in dataset.names}
    for case in dataset.cases:
        _, states = case.points(dataset.scheme)
        for name, state in zip(dataset.names, states):
            counts[name][State(int(state)).name.lower()] += 1
    return counts
