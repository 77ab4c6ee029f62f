"""The promise: after ``kill -9`` of the controller at any moment the run goes on, each task's output once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.ledger import RunRecord
from tests.engine import Lab, left_on, unix
from tests.payloads import connector
from tests.servers.sshd import SSHD

pytestmark = pytest.mark.ssh

MAIN = 'echo "$CHIMINEY_TASK_ID" >>"$HOME/begun"\nsleep {seconds}\necho "$CHIMINEY_TASK_ID" >"$2/answer"\n'
LATEST_KILL = 2.0  # seconds after a controller has taken the run up
RESTART = 2.0  # seconds until the next controller has taken it up
SLOTS = 2  # of each host


def start(folder: Path, record: RunRecord) -> subprocess.Popen[bytes]:
    """A controller that takes the run up."""
    url = f"sqlite:///{folder}/ledger.db"
    command = [sys.executable, "-m", "tests.controller", url, record.id, str(folder / "connector")]
    with (folder / "memory").open("wb") as memory, (folder / "errors").open("ab") as errors:
        return subprocess.Popen(command, stdout=memory, stderr=errors, start_new_session=True)


def kill_and_resume(hosts: list[SSHD], folder: Path, tasks: int, kills: int, seed: int) -> None:
    """Kill controllers of one run so often, at random moments from their first write on, then let one finish."""
    lab = Lab(folder)
    chance = random.Random(seed)
    work = 2 * kills * (LATEST_KILL + RESTART)  # seconds, so that the run outlives the last kill on a busy machine, too
    seconds = work * SLOTS * len(hosts) / tasks
    sample = connector(folder / "connector", MAIN.format(seconds=seconds))
    proposal = lab.request(sample, unix(*hosts, slots=SLOTS), sweep={"n": list(range(tasks))})
    record = lab.add(proposal)
    for _ in range(kills):
        controller = start(folder, record)
        while (owner := lab.ledger.run(record.id)) and owner.owner is None and controller.poll() is None:
            time.sleep(0.02)
        while not owned_by(lab, record, controller) and controller.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, LATEST_KILL))
        assert controller.poll() is None, (folder / "errors").read_text()[-2000:]
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
    last = start(folder, record)
    assert last.wait(timeout=240) == 0, (folder / "errors").read_text()[-2000:]
    check_outputs(lab, record, hosts, tasks)


def owned_by(lab: Lab, record: RunRecord, controller: subprocess.Popen[bytes]) -> bool:
    run = lab.ledger.run(record.id)
    return run is not None and run.owner is not None and f"|{controller.pid}|" in run.owner


def check_outputs(lab: Lab, record: RunRecord, hosts: list[SSHD], tasks: int) -> None:
    ended = lab.ledger.run(record.id)
    assert ended is not None
    assert ended.status == "completed"
    outputs = {path.parent.name: path.read_text().strip() for path in (lab.results / record.name / "output_0").glob("*/answer")}
    assert outputs == {str(number): str(number) for number in range(1, tasks + 1)}
    begun = [line for host in hosts for line in (host.home / "begun").read_text().split()]
    assert sorted(begun, key=int) == [str(number) for number in range(1, tasks + 1)], "a task was begun twice, or never"
    assert [left_on(host) for host in hosts] == [[] for _ in hosts]
    assert [list((host.home / ".chiminey").iterdir()) for host in hosts] == [[] for _ in hosts]


def test_four_kills_at_random_moments_lose_nothing_and_repeat_nothing(hosts: list[SSHD], tmp_path: Path) -> None:
    kill_and_resume(hosts[:2], tmp_path, tasks=60, kills=4, seed=1)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_twenty_kills_at_random_moments_lose_nothing_and_repeat_nothing(hosts: list[SSHD], tmp_path: Path) -> None:
    kill_and_resume(hosts[:2], tmp_path, tasks=200, kills=20, seed=int(os.environ.get("CHAOS_SEED", "7")))
