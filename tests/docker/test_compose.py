"""The services of docker/compose.yaml as plain processes, with the commands and settings of that file."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from monai_landmarks.sharing.bundles import copy_bundle

COMPOSE = Path(__file__).parents[2] / "docker" / "compose.yaml"
PASSWORD = "notasecret7"
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SMALL = ("--longer_side=64", "--decoder_channels=[16,16,8,8,8]", "--progress=False", "--max_epochs=2")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Services:
    """compose.yaml's services on this machine: names and volumes are replaced by addresses and folders, nothing else.

    Args:
        places: what replaces each volume's place in the containers.
    """

    def __init__(self, places):
        self.ports = {"database": free_port(), "mlflow": free_port()}
        self.places = places
        self.services = yaml.safe_load(COMPOSE.read_text())["services"]

    def local(self, text):
        """A setting of the file as it is here; every server listens to this machine alone."""
        text = re.sub(r"\$\{POSTGRES_PASSWORD(:[^}]*)?\}", PASSWORD, text)
        text = re.sub(r"(database|mlflow):(5432|5000)\b", lambda found: f"127.0.0.1:{self.ports[found[1]]}", text)
        text = text.replace("localhost:5000", f"localhost:{self.ports['mlflow']}").replace("0.0.0.0", "127.0.0.1")
        text = re.sub(r"(--port=)5000", rf"\g<1>{self.ports['mlflow']}", text)
        for place, folder in self.places.items():
            text = re.sub(rf"(?<=[= ]){place}|^{place}", str(folder), text)
        return text

    def command(self, name):
        return [self.local(part) for part in self.services[name]["command"]]

    def environment(self, name):
        given = {key: self.local(value) for key, value in self.services[name].get("environment", {}).items()}
        return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **given}

    def health(self, name):
        """The health check's command."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return [self.local(part) for part in command]

    def wait(self, name, command, seconds=180):
        """Until the service is healthy."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode == 0:
                return
            time.sleep(1)
        pytest.fail(f"{name} did not become healthy: {done.stdout}{done.stderr}")


@contextmanager
def running(command, log, **options):
    """A process and its children, ended at the end."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        yield process
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(30)


@contextmanager
def database(services, folder):
    """PostgreSQL as the image starts it: user, database and password from the file."""
    settings = {key: services.local(value) for key, value in services.services["database"]["environment"].items()}
    user, binaries, port = settings["POSTGRES_USER"], POSTGRES[-1], services.ports["database"]
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    (folder / "password").write_text(settings["POSTGRES_PASSWORD"])
    if as_user:
        shutil.chown(folder / "password", "postgres")
    password = f"--pwfile={folder / 'password'}"
    made = subprocess.run(
        [*as_user, binaries / "initdb", "-D", folder / "data", "-U", user, "--auth=scram-sha-256", password],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    with running([*as_user, binaries / "postgres", "-D", folder / "data", *options], folder.parent / "postgres.log"):
        check = services.health("database")
        services.wait("database", [binaries / check[0], *check[1:], f"--port={port}"])
        with connection(services, "postgres") as admin:
            admin.autocommit = True
            admin.cursor().execute(f'CREATE DATABASE "{settings["POSTGRES_DB"]}"')
        yield


@contextmanager
def connection(services, name):
    import pg8000.dbapi

    made = pg8000.dbapi.connect(
        user="mlflow", password=PASSWORD, host="127.0.0.1", port=services.ports["database"], database=name
    )
    try:
        yield made
    finally:
        made.close()


def rows(services, query):
    with connection(services, "mlflow") as made:
        cursor = made.cursor()
        cursor.execute(query)
        return cursor.fetchall()


@pytest.fixture
def shallow(tmp_path_factory):
    """A folder that the user postgres can enter, with a path short enough for a socket."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lm-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
@pytest.mark.skipif(not POSTGRES, reason="PostgreSQL's server is not installed (Debian: postgresql)")
def test_a_training_is_kept_in_postgresql_and_the_artefact_store(blobs, tmp_path, shallow):
    pytest.importorskip("pg8000", reason="the PostgreSQL driver is not installed")
    bundle = copy_bundle("label_augmentation", tmp_path / "bundle")
    artifacts = tmp_path / "artifacts"
    (shallow / "database").mkdir()
    places = {"/artifacts": artifacts, "/bundle": bundle, "/data": blobs.parent}
    services = Services(places)
    assert services.services["mlflow"]["volumes"] == ["artifacts:/artifacts"]
    mlflow = [sys.executable, "-m", "mlflow", *services.command("mlflow"), "--workers=1"]
    log = tmp_path / "mlflow.log"
    with (
        database(services, shallow / "database"),
        running(mlflow, log, env=services.environment("mlflow"), cwd=tmp_path),
    ):
        services.wait("mlflow", services.health("mlflow"))
        address = f"http://127.0.0.1:{services.ports['mlflow']}"
        assert refused(address), "a request under another name must be refused"
        trained = subprocess.run(
            [sys.executable, "-m", "monai.bundle", "run", *services.command("trainer"), *SMALL],
            env=services.environment("trainer"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert trained.returncode == 0, trained.stdout[-3000:] + trained.stderr[-3000:] + log.read_text()[-3000:]
        assert [tuple(row) for row in rows(services, "SELECT name, status FROM runs")] == [("bundle", "FINISHED")]
        metrics = {(key, step) for key, step in rows(services, "SELECT key, step FROM metrics")}
        assert {("loss", 1), ("loss", 2), ("val_mre", 2)} <= metrics
        params = dict(rows(services, "SELECT key, value FROM params"))
        assert params["max_epochs"] == "2"
        ((uri,),) = rows(services, "SELECT artifact_uri FROM runs")
    assert uri.startswith("mlflow-artifacts:/")
    kept = {path.name: path for path in artifacts.rglob("*") if path.is_file()}
    assert {"model.pt", "metadata.json", "history.csv"} <= set(kept)
    assert digest(kept["model.pt"]) == digest(bundle / "models" / "model.pt")
    assert not (bundle / "models" / "mlflow.db").exists()


def refused(address):
    """Whether the server turns away a request that names another host, as a rebound DNS name would."""
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": "elsewhere.example"}
    )
    try:
        urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        return error.code == 403
    return False


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
