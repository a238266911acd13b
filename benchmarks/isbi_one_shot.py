"""ISBI 2015 cephalograms from one annotated template (image 125) and 149 others without annotations, on test 1.

    python benchmarks/isbi_one_shot.py DATA --output runs/isbi_one_shot
    python benchmarks/isbi_one_shot.py DATA --output runs/isbi_one_shot_gpu --published --epochs 300 --sla-epochs 300 \
        --adapter-epochs 300 --tpl-epochs 100 --fine-epochs 4 --sam-epochs 300 --copies 500 --later-rate 1e-4 \
        --encoder vgg19 --encoder-weights /path/to/vgg19-dcbb9e9d.pth

DATA holds landmarks.csv (150 training and 150 test 1 images, two readers) and images/. The first line is meant for two
hours on two idle cores (each training says first how long it takes); the second is the sources' schedule, for a GPU,
which is used where there is one. The last epoch of every stage is kept: no annotation but the template's is seen before
the one evaluation on test 1. A killed run goes on with the same line; a finished one is printed. Writes result.json and
table.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isbi2015 import DUPLICATES, make_dataset
from published_one_shot import LANDMARKS, ROWS

from monai_landmarks.cli.one_shot_rows import SDR, OneShotRows, cost_cells
from monai_landmarks.cli.one_shot_stages import SAM, SLA, OneShotStages, StageSettings

TEMPLATE = "125"
PUBLISHED = " (published)"


def run(data: Path, output: Path, settings: StageSettings) -> dict[str, Any]:
    """Train all stages and evaluate them; what is finished is read back."""
    file = output / "result.json"
    wanted = json.loads(json.dumps(asdict(settings)))
    if file.is_file():
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        # A result from before there was SAM is one without it.
        if {"sam_epochs": 0, **result["settings"]} != wanted:
            raise SystemExit(f"{file} is of other settings; choose another --output")
        return result
    stages = OneShotStages(output, make_dataset(data, output, 0.0, leave_out=()), settings)
    trainings = [stages.train_cc2d, stages.train_sla, stages.train_template, stages.train_adapter, stages.train_tpl]
    if settings.fine_epochs:
        trainings.append(stages.train_fine)
    if settings.sam_epochs:
        trainings.append(stages.train_sam)
    for train in trainings:
        print(f"{train.__name__} ...", flush=True)
        train()
    rows = OneShotRows(stages).evaluate()
    result = {"settings": wanted, "unlabelled": stages.unlabelled, "rows": rows}
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def table(result: Mapping[str, Any]) -> list[str]:
    """Markdown: the rows, the landmarks, what differs from the sources."""
    return [*rows_table(result), "", *landmarks_table(result["rows"]), "", *differences(result)]


def rows_table(result: Mapping[str, Any]) -> list[str]:
    """Ours, the floors, and what was published; mm and per cent."""
    head = ["", "MRE", *(f"< {float(key):g} mm" for key in SDR)]
    head += ["models", "million parameters", "minutes of training", "s/image (CPU)", "MB (CPU)"]
    lines = []
    for name, row in result["rows"].items():
        shown = f"{SLA}, {result['settings']['landmark']} alone" if name == SLA else name
        shares = [f"{100 * row['sdr'][key]:.2f}" for key in SDR]
        lines.append([shown, f"{row['mre']:.2f}", *shares, *cost_cells(row)])
    for name, known in ROWS.items():
        shares = [f"{share:.2f}" for share in known.sdr]
        lines.append([name + PUBLISHED, f"{known.mre:.2f}", *shares, str(known.models), *["-"] * 4])
    return markdown(head, lines)


def landmarks_table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """MRE in mm, a line a landmark."""
    names = list(next(iter(rows.values()))["landmarks"])
    lines = []
    for number, name in enumerate(names):
        own = [f"{row['landmarks'][name]:.2f}" if name in row["landmarks"] else "-" for row in rows.values()]
        published = [f"{values[number]:.2f}" for values in LANDMARKS.values()]
        lines.append([f"{number + 1} {name}", *own, *published])
    return markdown(["landmark", *rows, *(name + PUBLISHED for name in LANDMARKS)], lines)


def differences(result: Mapping[str, Any]) -> list[str]:
    """What a reader who compares must know."""
    settings = result["settings"]
    network = settings["network"]
    encoder = network.get("encoder", "efficientnet-lite0")
    sizes = "the sources' sizes" if settings["configs"] else f"longer side {settings['longer_side']} px, own decoder"
    epochs = ", ".join(
        f"{key.partition('_')[0]} {settings[key]}" for key in settings if key.endswith("_epochs") and settings[key]
    )
    lines = [
        "- Ours: test 1, 150 images (published: test 1 and 2, 250 images); 0.3 mm/px (published: 0.1); frozen "
        f"{encoder} (published: VGG19; FM-OSD: DINO ViT-S/8); {sizes}, aspect ratio kept (published: 384 x 384, not "
        "kept).",
        f"- Epochs: CC2D {settings['epochs']}, {epochs} (published: 300); {settings['copies']} copies of the template "
        "(published: 500).",
        f"- One annotated image ({settings['template']}), {result['unlabelled']} without annotations, two of which "
        f"({', '.join(DUPLICATES)}) are also images of test 1. Ground truth is the mean of the two readers.",
        f"- SLA is one model a landmark; trained here: {settings['landmark']}, whose errors alone its row holds.",
        "- F2 and FM-OSD: the second network looks at full resolution; ours has the coarse model's encoder, not DINO, "
        "and counts as one model with the first (published: 3 and 2).",
        "- TPL: the pseudo-labels train the label-augmentation U-Net (published: disc and offsets). The mean shape "
        "needs all annotations.",
    ]
    if SAM in result["rows"]:
        lines.append(
            "- SAM: CC2D's network with two embeddings, image and patch instead of two crops (published: ResNet)."
        )
    return lines


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20, help="of CC2D")
    parser.add_argument("--sla-epochs", type=int, default=6, help="of SLA for one landmark")
    parser.add_argument("--adapter-epochs", type=int, default=20)
    parser.add_argument("--tpl-epochs", type=int, default=20)
    parser.add_argument("--fine-epochs", type=int, default=1, help="of F2; 0: without")
    parser.add_argument("--sam-epochs", type=int, default=0, help="of SAM, which trains by itself; 0: without")
    parser.add_argument("--copies", type=int, default=160, help="of the template, for ATD and in an epoch of F2")
    parser.add_argument("--later-rate", type=float, default=3e-4, help="learning rate after CC2D (published: 1e-4)")
    parser.add_argument("--longer-side", type=int, default=384)
    parser.add_argument("--landmark", default="sella", help="SLA's")
    parser.add_argument("--published", action="store_true", help="the sources' sizes and schedule (published.yaml)")
    parser.add_argument("--encoder", default="efficientnet-lite0", help="or vgg19")
    parser.add_argument("--encoder-weights", default="package", help="or the path of a state dict, for vgg19")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def settings_from(given: argparse.Namespace) -> StageSettings:
    return StageSettings(
        landmark=given.landmark,
        template=TEMPLATE,
        epochs=given.epochs,
        sla_epochs=given.sla_epochs,
        adapter_epochs=given.adapter_epochs,
        tpl_epochs=given.tpl_epochs,
        fine_epochs=given.fine_epochs,
        sam_epochs=given.sam_epochs,
        copies=given.copies,
        later_rate=given.later_rate,
        longer_side=given.longer_side,
        seed=given.seed,
        configs=("published",) if given.published else (),
        network={"encoder": given.encoder, "encoder_weights": given.encoder_weights},
    )


def main() -> None:
    given = arguments()
    result = run(given.data, given.output, settings_from(given))
    lines = table(result)
    (given.output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
