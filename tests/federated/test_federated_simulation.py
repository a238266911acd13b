"""Three hospitals in NVFlare's simulator, as one command; each reads its own folder alone."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from monai_landmarks.sharing.bundles import load_metadata

pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
HOSPITALS = ("north", "south", "west")
# Images for training, and the steps an epoch makes of them in batches of 4.
TRAINING = (6, 7, 14)
STEPS = (2, 2, 4)
# Each has a folder a hospital: of its images, and of the data set file that tells their points.
PLACES = ("hospitals", "out/sites")
# Tells every file a Python process opens, under the command that started it.
WITNESS = """
import os, sys
def seen(event, arguments):
    if event != "open" or not isinstance(arguments[0], str):
        return
    try:
        path = os.path.realpath(arguments[0])
    except OSError:  # the simulator has removed the folder it is in
        return
    if path.startswith(os.environ["WATCHED"]):
        record = os.open(os.environ["WITNESSED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(record, (chr(9).join([path, *sys.orig_argv]) + chr(10)).encode())
        os.close(record)
sys.addaudithook(seen)
"""


@pytest.fixture(scope="module")
def federation(tmp_path_factory, make_blobs):
    """The folder a simulation leaves, and what its processes have opened of each hospital, below which of `PLACES`."""
    folder, witness = tmp_path_factory.mktemp("federation"), tmp_path_factory.mktemp("witness")
    sites = {name: make_blobs(folder / "hospitals" / name, (count, 1, 2)) for name, count in zip(HOSPITALS, TRAINING)}
    (witness / "sitecustomize.py").write_text(WITNESS)
    arguments = [part for name, file in sites.items() for part in ("--site", f"{name}={file}")]
    small = ["--rounds", "2", "--local-epochs", "1", "--longer-side", "64", "--set", "decoder_channels=[16,16,8,8,8]"]
    command = ["from monai_landmarks.cli.main import main; main()", "federated", "simulate", str(folder / "out")]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(witness),
        "WATCHED": os.path.realpath(folder),
        "WITNESSED": str(witness / "opened.tsv"),
    }
    done = subprocess.run(
        [sys.executable, "-c", *command, *arguments, *small],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    opened = [
        (place, Path(path).relative_to(folder.resolve() / place).parts[0], argv)
        for path, *argv in (line.split("\t") for line in (witness / "opened.tsv").read_text().splitlines())
        for place in PLACES
        if Path(path).is_relative_to(folder.resolve() / place)
    ]
    return folder / "out", opened


def client_of(argv):
    """The hospital a process of the simulator stands for."""
    return argv[argv.index("--client") + 1] if "--client" in argv else None


@pytest.mark.slow
def test_a_hospital_reads_its_own_folders_alone(federation):
    _, opened = federation
    read = {(client_of(argv), place, owner) for place, owner, argv in opened if any("nvflare" in arg for arg in argv)}
    assert read == {(name, place, name) for name in HOSPITALS for place in PLACES}


@pytest.mark.slow
def test_no_image_reaches_the_server(federation):
    out, _ = federation
    at_server = {path.suffix for path in (out / "simulator" / "server").rglob("*") if path.is_file()}
    assert not at_server & {".png", ".dcm", ".csv", ".db"}
    model = torch.load(next((out / "simulator" / "server").rglob("FL_global_model.pt")), weights_only=True)
    start = torch.load(out / "bundle" / "models" / "initial.pt", weights_only=True)
    assert model.keys() == start.keys()


@pytest.mark.slow
def test_the_model_is_the_mean_of_the_hospitals(federation):
    """After the last round; each counts by its steps."""
    out, _ = federation
    folders = [out / "simulator" / name / "simulate_job" / "bundle" for name in HOSPITALS]
    last = [torch.load(folder / "models" / "checkpoint.pt", weights_only=True)["network"] for folder in folders]
    model = torch.load(out / "bundle" / "models" / "model.pt", weights_only=True)
    steps = torch.tensor(STEPS, dtype=torch.float64)

    def is_mean(weights):
        means = {name: torch.stack([network[name].double() for network in last], -1) @ weights for name in model}
        return all(
            torch.allclose(weight.double(), means[name].to(weight.dtype).double(), atol=1e-6, rtol=1e-5)
            for name, weight in model.items()
        )

    assert is_mean(steps / steps.sum())
    assert not is_mean(torch.full_like(steps, 1 / len(steps)))


@pytest.mark.slow
def test_every_row_is_told_at_every_hospital(federation):
    out, _ = federation
    rows = [line.strip("| ").split(" | ") for line in (out / "table.md").read_text().splitlines()]
    assert rows[0][1:] == [*(f"{name}, MRE mm" for name in HOSPITALS), "all, MRE mm", "all, SDR < 2 mm"]
    assert [row[0] for row in rows[2:]] == [*(f"{name} alone" for name in HOSPITALS), "federated", "pooled"]
    metrics = json.loads((out / "federated" / "metrics.json").read_text())
    assert metrics["cases"] == 6
    assert float(rows[5][4]) == pytest.approx(metrics["mm"]["mre"], abs=0.005)


@pytest.mark.slow
def test_the_result_predicts(federation, blobs, tmp_path):
    out, _ = federation
    metadata = load_metadata(out / "bundle")
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == [64, 64]
    image = blobs.parent / "images" / "00.png"
    command = ["from monai_landmarks.cli.main import main; main()", "predict", str(out / "bundle"), str(image)]
    done = subprocess.run(
        [sys.executable, "-c", *command, "-o", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with (tmp_path / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
