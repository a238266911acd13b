"""The simulator's processes and the command that started them; a program that only waits stands for NVFlare."""

import multiprocessing
import time

import pytest
from filelock import FileLock

from monai_landmarks.federated.plan import Plan
from monai_landmarks.federated.simulation import LOG, simulate_federation

pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
PLAN = Plan(bundle="label_augmentation", rounds=1, local_epochs=1)
# Two processes, as NVFlare's simulator and its server are; both hold the lock until they end.
WAITS = """
import fcntl, os, sys, time
lock = open(os.environ["HELD"], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
os.fork()
print("running", *sys.argv[1:2], flush=True)
time.sleep(60)
"""


# Newer Pythons warn of a fork beside threads, of which the child needs none.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_killed_command_leaves_no_simulator_behind(tmp_path, monkeypatch):
    (tmp_path / "stub" / "nvflare").mkdir(parents=True)
    (tmp_path / "stub" / "nvflare" / "__init__.py").touch()
    (tmp_path / "stub" / "nvflare" / "cli.py").write_text(WAITS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
    monkeypatch.setenv("HELD", str(tmp_path / "held"))
    sites = {"north": tmp_path / "sites" / "north" / "dataset.json"}
    arguments = (PLAN, tmp_path / "job", sites, tmp_path / "simulator")
    command = multiprocessing.get_context("fork").Process(target=simulate_federation, args=arguments)
    command.start()
    log = tmp_path / LOG
    while command.is_alive() and not (log.is_file() and log.read_text().count("running simulator") == 2):
        time.sleep(0.05)
    assert command.is_alive(), log.read_text()
    command.kill()
    command.join()
    with FileLock(tmp_path / "held", timeout=20):
        pass  # both have ended
