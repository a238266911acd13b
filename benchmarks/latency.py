"""Seconds a radiograph takes `monai-landmarks predict` on one core: ONNX Runtime against PyTorch.

    python benchmarks/latency.py [--bundle BUNDLE]

Simulated 1024 x 1024 DICOM files, input of the bundle's size (320 x 320 without --bundle, random weights: they do not
change the time). An image is read, prepared, seen by the network and decoded; the mirror image is looked at too
(`test_time_mirror`, the bundle's default) or not. Tables and overlays are not written. Median of interleaved pairs of
runs over all images, in one process that has one core and one thread. Run it on an idle machine.

Writes runs/benchmarks/latency.json and latency.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Before the libraries that read it are loaded.
CORE = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {CORE})
os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402
from interleaved import FOLDER, interleave, machine, write  # noqa: E402
from monai.bundle import ConfigWorkflow  # noqa: E402

from monai_landmarks.engines.backend import OVERRIDES, Backend  # noqa: E402
from monai_landmarks.engines.onnx_network import MODEL, ONNX, exported_parts  # noqa: E402
from monai_landmarks.networks.build import network_from  # noqa: E402
from monai_landmarks.networks.unet import LandmarkUNet  # noqa: E402
from monai_landmarks.sharing.bundles import METADATA, copy_bundle, load_metadata, scheme_of, settings_of  # noqa: E402
from monai_landmarks.sharing.exports import export_models  # noqa: E402
from monai_landmarks.simulate.dataset import simulate_case  # noqa: E402

PRESET, SITE, SIZE = "pelvis-radiograph", "external", (1024, 1024)


def simulate(folder: Path, count: int) -> None:
    """`count` radiographs of SIZE; the site has detectors of other sizes too."""
    folder.mkdir()
    made, index = 0, 0
    while made < count:
        case = simulate_case(folder, PRESET, seed=0, index=index, site=SITE)
        index += 1
        if case.size == SIZE:
            made += 1
        else:
            (folder / Path(case.image).name).unlink()


def untrained(folder: Path) -> Path:
    """The shipped bundle with the recipe's network, random weights and the recipe's decoder."""
    bundle = copy_bundle("label_augmentation", folder / "bundle")
    metadata = load_metadata(bundle)
    settings = {
        "backbone": "efficientnet-lite0",
        "decoder_channels": [256, 128, 64, 32, 16],
        "test_time_mirror": True,
        "decoder": {"likelihood": "Categorical", "window": 8.0},
    }
    metadata["monai_landmarks"]["settings"] = settings
    (bundle / "models").mkdir()
    (bundle / "models" / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
    torch.manual_seed(0)
    torch.save(LandmarkUNet(len(scheme_of(metadata).names)).state_dict(), bundle / "models" / MODEL)
    return bundle


def workflow(bundle: Path, images: Path, backend: Backend, mirror: bool) -> ConfigWorkflow:
    """inference.yaml, ready to run, without what it writes."""
    made = ConfigWorkflow(
        config_file=str(bundle / "configs" / "inference.yaml"),
        logging_file=False,
        workflow_type="inference",
        bundle_root=str(bundle.resolve()),
        inputs=[str(images)],
        dataset_dir=str(images),
        out_of_scope=True,
        test_time_mirror=mirror,
        handlers=[],
        **{"device": "cpu", **OVERRIDES[backend]},
    )
    made.initialize()
    return made


def contest(bundle: Path, images: Path, count: int, pairs: int, mirror: bool) -> dict[str, Any]:
    """A row of the table: milliseconds an image."""
    torch_, onnx = (workflow(bundle, images, backend, mirror) for backend in Backend)
    timed = interleave(torch_.evaluator.run, onnx.evaluator.run, pairs=pairs, warm_up=1)
    reading = interleave(lambda: list(torch_.dataset), lambda: list(onnx.dataset), pairs=max(2, pairs // 2), warm_up=0)
    if torch_.evaluator.state.iteration != count or onnx.evaluator.state.iteration != count:
        raise SystemExit("not every image was predicted")
    low, high = timed.quartiles()
    return {
        "test_time_mirror": mirror,
        "reading_ms": 1000 * statistics.median(reading.first + reading.second) / count,
        "torch_ms": 1000 * statistics.median(timed.first) / count,
        "onnxruntime_ms": 1000 * statistics.median(timed.second) / count,
        "ratio": timed.ratio(),
        "quartiles": [low, high],
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table."""
    lines = [
        "| mirror image too | reading and preparing, ms | PyTorch, ms | ONNX Runtime, ms | times faster (quartiles) |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["quartiles"]
        lines.append(
            f"| {'yes' if row['test_time_mirror'] else 'no'} | {row['reading_ms']:.0f} | {row['torch_ms']:.0f} "
            f"| {row['onnxruntime_ms']:.0f} | {row['ratio']:.2f} ({low:.2f} to {high:.2f}) |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="a trained bundle")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder / "images", given.images)
        bundle = given.bundle or untrained(folder)
        metadata = load_metadata(bundle)
        parts = exported_parts(network_from(settings_of(metadata), len(scheme_of(metadata).names)))
        if not all((bundle / "models" / (part + ONNX)).is_file() for part in parts):
            export_models(bundle, bundle / "models", ["onnx"])
        rows = [contest(bundle, folder / "images", given.images, given.pairs, mirror) for mirror in (True, False)]
    table = markdown(rows)
    print(table)
    path = write("latency", {"size": SIZE, "images": given.images, "pairs": given.pairs, "core": CORE, "rows": rows})
    (FOLDER / "latency.md").write_text(table, encoding="utf-8")
    print(path, machine())


if __name__ == "__main__":
    main()
