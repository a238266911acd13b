"""What docker/ promises, read from its files; the slow test builds and runs for real where something can."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.sharing.bundles import copy_bundle

REPOSITORY = Path(__file__).parents[2]
DOCKER = REPOSITORY / "docker"
IMAGES = ("predict", "train", "tracking")


def instructions(text):
    """(name, argument) of each line of a Dockerfile, continued lines joined."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def stages():
    """Name of each stage, to the stage it starts from and its instructions."""
    found = {}
    for name, argument in instructions((DOCKER / "Dockerfile").read_text()):
        if name == "FROM":
            base, stage = re.fullmatch(r"(\S+) AS (\S+)", argument).groups()
            found[stage] = (base, [])
        elif found:
            found[stage][1].append((name, argument))
    return found


def arguments(stages, stage, name):
    return [argument for key, argument in stages[stage][1] if key == name]


def test_prediction_is_the_default_image(stages):
    assert set(IMAGES) <= set(stages)
    assert list(stages)[-1] == "predict"
    assert arguments(stages, "predict", "ENTRYPOINT") == ['["monai-landmarks"]']
    assert arguments(stages, "predict", "CMD") == ['["predict", "/bundle", "/in", "--output", "/out"]']


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_holds_an_environment_and_runs_as_a_user(stages, image):
    """Nothing of the sources or of what builds them; the user is made in the stage every image stands on."""
    base, _ = stages[image]
    assert base == "python"
    assert arguments(stages, image, "USER") == ["landmarks"]
    assert "useradd --uid 10001" in " ".join(arguments(stages, "python", "RUN"))
    assert [re.sub(r"--from=\S+", "", copy).split() for copy in arguments(stages, image, "COPY")] == [
        ["/opt/venv", "/opt/venv"]
    ]


def test_whatever_is_written_at_run_time_goes_to_tmp(stages):
    (text,) = arguments(stages, "python", "ENV")
    values = dict(re.findall(r"(\w+)=(\S+)", text))
    for name in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TORCH_HOME", "MONAI_LANDMARKS_CACHE"):
        assert values[name].split("/")[1] == "tmp", name


def test_every_installation_is_pinned(stages):
    pips = [
        command
        for stage in stages
        for run in arguments(stages, stage, "RUN")
        for command in run.split("&&")
        if re.search(r"\bpip (install|wheel)\b", command)
    ]
    assert len(pips) == 5
    assert all("--constraint constraints.txt" in pip or "PIP_CONSTRAINT=constraints.txt" in pip for pip in pips)
    names = {line.split("==")[0].lower() for line in (REPOSITORY / "constraints.txt").read_text().splitlines()}
    assert {"torch", "mlflow", "monai", "pg8000", "hatchling"} <= names


def test_what_is_copied_is_in_the_context_and_nothing_else_is(stages):
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for stage in stages
        for copy in arguments(stages, stage, "COPY")
        if "--from" not in copy
        for source in copy.split()[:-1]
    }
    assert copied == allowed
    assert all((REPOSITORY / source).exists() for source in copied)
    assert {"bundles/*/models", "bundles/*/eval", "bundles/*/predictions"} <= set(rules)


def test_compose_names_stages_and_settings_that_exist(stages):
    text = (DOCKER / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"database", "mlflow", "trainer"}
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
            assert service["read_only"]
    settings = dict(re.findall(r"^(\w+)=(.*)$", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", text)) == set(settings)
    assert settings["POSTGRES_PASSWORD"] == ""
    assert services["database"]["healthcheck"]
    assert services["mlflow"]["healthcheck"]
    assert services["mlflow"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert all(port.startswith("127.0.0.1:") for port in services["mlflow"]["ports"])
    cuda = yaml.safe_load((DOCKER / "compose.cuda.yaml").read_text())["services"]
    assert set(cuda) <= set(services)


@pytest.mark.slow
def test_the_image_is_built_and_predicts_a_folder(blobs, tmp_path):
    """docker/check.sh: read-only root, no network, not as root."""
    missing = [tool for tool in ("buildah", "debootstrap", "unshare") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"building images needs root and {', '.join(missing) or 'nothing else'} (docker/check.sh)")
    bundle = copy_bundle("label_augmentation", tmp_path / "bundle")
    run_bundle(
        bundle,
        "training",
        dataset_file=str(blobs),
        output_dir=str(tmp_path / "eval"),
        max_epochs=1,
        longer_side=64,
        decoder_channels=[16, 16, 8, 8, 8],
        progress=False,
    )
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [DOCKER / "check.sh", bundle, blobs.parent / "images", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "14 predicted, 0 failed" in done.stdout
    assert "root file system: ro, network devices up: 0, user: 10001:10001" in done.stdout
    assert (tmp_path / "out" / "predictions.csv").stat().st_uid == 10001
