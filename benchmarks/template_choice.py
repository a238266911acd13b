"""What the choice of the one annotated image costs: one trained embedding, every training image in turn as template.

    python benchmarks/template_choice.py runs/demo-one-shot runs/demo-one-shot/data/dataset.json
    python benchmarks/template_choice.py runs/isbi_one_shot runs/isbi_one_shot/dataset.json --template 125 --every 10

The first argument is the folder of a finished `demo-one-shot` or isbi_one_shot.py. Its CC2D has learned without any
annotation, so another template needs no other training (`propose --template`). Templates that show the same landmarks
as the run's own are compared, on its test split, and in the order in which `propose --template auto` names them: was
the proposed one better than one drawn by chance? Nothing is chosen by the outcome. Writes OUTPUT/result.json (every
template) and table.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from monai_landmarks.baselines.one_shot import COPIED, one_shot_floors
from monai_landmarks.cli.one_shot_stages import CC2D, slug
from monai_landmarks.data.dataset import Case, LandmarkDataset, load_dataset
from monai_landmarks.data.one_shot import template_case
from monai_landmarks.engines.propose import Proposer, rank_templates
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import median, mre, sdr

SDR = (2.0, 4.0)
FIRST = 5


def shown(dataset: LandmarkDataset, case: Case) -> tuple[str, ...]:
    """The landmarks a case has a point of."""
    places = np.isfinite(case.points(dataset.scheme)[0]).all(axis=1)
    return tuple(name for name, known in zip(dataset.names, places) if known)


def comparable(dataset: LandmarkDataset, template: str) -> list[str]:
    """Training cases that show the landmarks of `template`, neither more nor fewer."""
    wanted = shown(dataset, template_case(dataset, template))
    return [case.id for case in dataset.select("training") if shown(dataset, case) == wanted]


def errors_with(proposer: Proposer, results: Results, template: str) -> np.ndarray:
    """Errors (images, landmarks) in mm on the evaluated cases, of the landmarks the template shows."""
    proposer.use_template(template)
    cases = {case.id: case for case in proposer.dataset.cases}
    answers = proposer.answers(cases[name] for name in results.case_ids)
    points = np.stack([rows[:, :2] for _, rows, _ in answers])
    return sought_errors(proposer.dataset, replace(results, predicted=points), template)


def sought_errors(dataset: LandmarkDataset, results: Results, template: str) -> np.ndarray:
    """Of a result's errors in mm those of the landmarks the template shows."""
    names = shown(dataset, template_case(dataset, template))
    return results.errors_mm()[:, [results.names.index(name) for name in names]]


def described(errors: np.ndarray) -> dict[str, float]:
    """MRE, median and SDR of errors in mm."""
    rates = {f"< {radius:g} mm": share for radius, share in sdr(errors, SDR).items()}
    return {"mre": mre(errors), "median": median(errors), **rates}


def noted_template(run: Path) -> str | None:
    """The template isbi_one_shot.py was told; None of a demo, which takes the case with the most points."""
    result = run / "result.json"
    return json.loads(result.read_text(encoding="utf-8"))["settings"]["template"] if result.is_file() else None


def compare(run: Path, dataset_file: Path, own: str | None, every: int) -> list[dict[str, Any]]:
    """A row a template, in the order in which they would be proposed."""
    dataset = load_dataset(dataset_file)
    results = Results.read_csv(run / slug(CC2D) / "cases.csv")
    own = template_case(dataset, own or noted_template(run)).id
    ranked = rank_templates(run / "one_shot", dataset, dataset.select("training"))
    candidates = set(comparable(dataset, own))
    proposer = Proposer(run / "one_shot", dataset, run / "models" / slug(CC2D))
    rows = []
    for place, (template, score) in enumerate(((name, s) for name, s in ranked if name in candidates), 1):
        if (place - 1) % every and template != own:
            continue
        copied = one_shot_floors(results, dataset, template)[COPIED]
        row = {"template": template, "place": place, "score": score, "own": template == own}
        row |= described(errors_with(proposer, results, template))
        rows.append({**row, "copied": mre(sought_errors(dataset, copied, template))})
        print(f"{place}: {template}, score {score:.3f}, MRE {row['mre']:.2f} mm", flush=True)
    return rows


def markdown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was proposed, what chance gives, the best and the worst."""
    ordered = sorted(rows, key=lambda row: row["mre"])
    chosen = {
        "proposed first": rows[:1],
        f"the first {FIRST} proposed, mean": rows[:FIRST],
        "the run's own": [row for row in rows if row["own"]],
        "any, mean": rows,
        f"the last {FIRST} proposed, mean": rows[-FIRST:],
        "best": ordered[:1],
        "worst": ordered[-1:],
    }
    columns = ("mre", "median", *(f"< {radius:g} mm" for radius in SDR), "copied")
    lines = ["| template | MRE mm | median | < 2 mm | < 4 mm | its points copied, MRE mm |", "|---" * 6 + "|"]
    for name, group in chosen.items():
        values = [float(np.mean([row[column] for row in group])) for column in columns]
        cells = [f"{100 * v:.1f} %" if c.startswith("<") else f"{v:.2f}" for c, v in zip(columns, values)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    mres, scores = ([row[key] for row in rows] for key in ("mre", "score"))
    rho, chance = spearmanr(scores, mres)
    spread = ", ".join(f"{np.quantile(mres, share):.2f}" for share in (0.1, 0.5, 0.9))
    lines += ["", f"{len(rows)} templates. MRE's 10th, 50th and 90th percentile: {spread} mm."]
    return [*lines, f"Spearman's rho of the score and the MRE: {rho:.2f} (p {chance:.2g}); -1 would be perfect."]


def main(typed: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--template", help="the run's own; noted by isbi_one_shot.py")
    parser.add_argument("--every", type=int, default=1, help="of the ranked templates only each n-th")
    parser.add_argument("--output", type=Path, help="RUN/template_choice without it")
    given = parser.parse_args(typed)
    output = given.output or given.run / "template_choice"
    rows = compare(given.run, given.dataset, given.template, given.every)
    output.mkdir(parents=True, exist_ok=True)
    (output / "result.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines = markdown(rows)
    (output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
