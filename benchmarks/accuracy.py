"""Errors after the same short training: our recipe, its parts, other methods, a peer; and how few images are enough.

    python benchmarks/accuracy.py                                   # 5 minutes of training a row, on two idle cores
    python benchmarks/accuracy.py --rows default "one pixel"        # some rows, without the curve
    python benchmarks/accuracy.py --curve --data isbi2015           # the curve alone, on one data set
    python benchmarks/accuracy.py --list                            # names of rows
    python benchmarks/accuracy.py --tiny                            # four rows in small, the numbers mean nothing

Each row trains at one input size for as many epochs as fit into the time (some are timed first), in a process of its
own; the last weights are scored once on validation and test images. Nothing is chosen on the test images. ISBI 2015
(--isbi): of its 148 training images that are not in test 1 too, 118 train and 30 validate; test 1 against the mean of
both readers. Simulated pelvis: 150, 30 and 60 images. The curve trains on nested subsets; "all" adds the validation
images. The pelvis gets a row for each question: no schedule, another shape, the other loss, and other methods in their
best form on ISBI 2015's validation images. Rows of `landmarker` need its environment:
benchmarks/peer_landmarker/make_env.py.

Finished rows are read back, so a killed run goes on. Writes OUTPUT/accuracy.md and accuracy.json; rows that stand there
already stay.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accuracy_data import ISBI, PELVIS, isbi, pelvis, subset
from accuracy_peer import BEST_PEER, PEERS, available, run_peer
from accuracy_rows import BEST_HEATMAP, DEFAULT, HOURGLASS, ONE_SHOT, ROWS, TPL
from accuracy_run import Task, run_row
from accuracy_table import TEST, VALIDATION, against_peer, table
from interleaved import machine

NAMES = (*ROWS, TPL, *PEERS)
ROWS_OF: dict[str, tuple[str, ...]] = {
    ISBI: NAMES,
    PELVIS: (
        DEFAULT,
        "one pixel",
        "disk",
        "re-weighted BCE",
        "the paper's recipe",
        BEST_HEATMAP,
        HOURGLASS,
        ONE_SHOT,
        TPL,
        BEST_PEER,
    ),
}
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is trained.

    Attributes:
        longer_side: of the input.
        minutes: of training a row; 0 for two epochs.
        pelvis: simulated training, validation and test images.
        curve: training images of the curve's rows; none for no curve.
        rows: names of rows; None for all of each data set.
    """

    longer_side: int = 256
    minutes: float = 5.0
    pelvis: tuple[float, float, float] = (150, 30, 60)
    curve: tuple[int, ...] = (5, 10, 25, 50, 100)
    rows: tuple[str, ...] | None = None

    def budget(self) -> dict[str, Any]:
        """What all rows of one table must share."""
        return {"longer_side": self.longer_side, "minutes": self.minutes, "pelvis": list(self.pelvis)}


TINY = Size(
    longer_side=64,
    minutes=0.0,
    pelvis=(6, 2, 2),
    curve=(3,),
    rows=(DEFAULT, BEST_HEATMAP, HOURGLASS, TPL),
)


def tasks(
    output: Path, size: Size, isbi_data: Path | None, seed: int, data: Sequence[str]
) -> Iterator[tuple[str, Task]]:
    """Those of the named data sets that exist, and what is asked of them."""
    files = {PELVIS: pelvis(output, size.pelvis)} if PELVIS in data else {}
    if ISBI in data and isbi_data is not None and (file := isbi(isbi_data, output)):
        files[ISBI] = file
    for name, file in files.items():
        scored = {TEST: (file, TEST), VALIDATION: (file, VALIDATION)}
        about = {"longer_side": size.longer_side, "minutes": size.minutes, "seed": seed}
        yield name, Task(folder=output / name / "rows", file=file, evaluations=scored, **about)  # type: ignore[arg-type]


def rows_of(task: Task, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Results by name; the peer's rows are left out, with a line, where its environment is missing."""
    for name in names:
        if name not in PEERS:
            yield name, run_row(task, name)
        elif available():
            yield name, run_peer(task, name)


def curve_of(task: Task, counts: Sequence[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Results of our recipe by number of training images, then with the validation images too; none without numbers."""
    for count in counts:
        folder = task.folder.parent / f"{count} images"
        file = subset(task.file, count, folder)
        scored = {label: (file, split) for label, (_, split) in task.evaluations.items()}
        few = replace(task, folder=folder, file=file, evaluations=scored)
        yield f"{DEFAULT}, {count} images", run_row(few, DEFAULT)
    if counts:
        everything = {TEST: task.evaluations[TEST]}
        folder = task.folder.parent / f"{ALL} images"
        yield f"{DEFAULT}, {ALL}", run_row(replace(task, folder=folder, evaluations=everything, refit=True), DEFAULT)


def run(
    output: Path, size: Size, isbi_data: Path | None, seed: int = 0, data: Sequence[str] = (ISBI, PELVIS)
) -> dict[str, Any]:
    """All tables, those of earlier calls among them; the files are written anew after each row.

    Raises:
        SystemExit: the folder's tables are of another budget or seed.
    """
    output.mkdir(parents=True, exist_ok=True)
    about = {**size.budget(), "seed": seed}
    found = _read(output, about)
    for name, task in tasks(output, size, isbi_data, seed, data):
        names = ROWS_OF[name] if size.rows is None else size.rows
        parts = {name: rows_of(task, names), f"{name}, number of training images": curve_of(task, size.curve)}
        for title, results in parts.items():
            rows = found.setdefault(title, {})
            for row, result in results:
                rows[row] = result
                _write(output, about, found)
    return found


def _read(output: Path, about: dict[str, Any]) -> dict[str, Any]:
    file = output / "accuracy.json"
    if not file.is_file():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["about"] != about:
        raise SystemExit(f"{file} is of {content['about']}, not {about}; choose another --output")
    tables: dict[str, Any] = content["tables"]
    return tables


def _write(output: Path, about: dict[str, Any], found: dict[str, Any]) -> None:
    content = json.dumps({"about": about, "tables": found, "machine": machine()}, indent=1)
    (output / "accuracy.json").write_text(content + "\n", encoding="utf-8")
    (output / "accuracy.md").write_text("\n".join(markdown(found)) + "\n", encoding="utf-8")


def in_order(results: dict[str, Any]) -> dict[str, Any]:
    """The rows in the order of their names; the curve's as they came."""
    return dict(sorted(results.items(), key=lambda item: NAMES.index(item[0]) if item[0] in NAMES else len(NAMES)))


def markdown(found: dict[str, Any]) -> list[str]:
    """All tables, each with how we stand against the peer."""
    return [
        line
        for title, results in found.items()
        if results
        for line in (*table(title, in_order(results)), *against_peer(title, results, DEFAULT, PEERS))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--isbi", type=Path, default=Path("../shared/data/isbi2015"))
    parser.add_argument("--data", nargs="+", choices=(ISBI, PELVIS), default=(ISBI, PELVIS))
    parser.add_argument("--rows", nargs="+", choices=NAMES, metavar="NAME", help="these, without the curve; see --list")
    parser.add_argument("--curve", action="store_true", help="the number of training images; alone without --rows")
    parser.add_argument("--minutes", type=float, help="training of a row")
    parser.add_argument("--longer-side", type=int, help="of the input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print the names of each data set's rows")
    parser.add_argument("--tiny", action="store_true", help="four rows on simulated images in small, to see it work")
    given = parser.parse_args()
    if given.list:
        print("\n".join(f"{name}: {', '.join(repr(row) for row in rows)}" for name, rows in ROWS_OF.items()))
        return
    changes = {name: getattr(given, name) for name in ("minutes", "longer_side") if getattr(given, name) is not None}
    if given.rows or given.curve:
        changes["rows"] = tuple(given.rows or ())
    if given.rows and not given.curve:
        changes["curve"] = ()
    size = replace(TINY if given.tiny else Size(), **changes)
    output = given.output or Path("runs/accuracy_tiny" if given.tiny else "runs/accuracy")
    found = run(output, size, None if given.tiny else given.isbi, given.seed, given.data)
    print("\n".join(markdown(found)))


if __name__ == "__main__":
    main()
