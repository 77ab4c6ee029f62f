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

from flows import engine
from flows.ledger import RunRecord
from flows.run import Run
from flows.stages import Stage
from flows.state import RunState
from tests.engine import Lab, left_on, unix
from tests.payloads import connector
from tests.servers.sshd import SSHD

pytestmark = pytest.mark.ssh

MAIN = """echo "$CHIMINEY_TASK_ID" >>"$HOME/begun"
sleep {seconds}
[ "$CHIMINEY_TASK_ID" != {last} ] || until [ -e "$HOME/go" ]; do sleep 0.1; done
echo "$CHIMINEY_TASK_ID" >"$2/answer"
"""
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
    work = kills * (LATEST_KILL + RESTART)  # seconds, so that there is work at every kill; the last task outlives them all
    seconds = work * SLOTS * len(hosts) / tasks
    sample = connector(folder / "connector", MAIN.format(seconds=seconds, last=tasks))
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
    for host in hosts:
        (host.home / "go").touch()
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


def test_what_was_left_half_written_in_a_runs_folder_is_put_right_at_its_take_over_and_at_its_end(
    hosts: list[SSHD], tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "connector", MAIN.format(seconds=0, last=0)), unix(hosts[0]), sweep={"n": [1]})
    record = lab.add(proposal)
    leave(lab.results)  # somebody else's, who may be alive
    leave(lab.results / record.name)
    leave(lab.results / record.name / "output_0")
    at_its_begin: list[list[str]] = []

    def carry_out(stage: Stage, run: Run, state: RunState) -> RunState:
        at_its_begin.append(left(lab))
        if stage.name == "destroy":
            leave(lab.results / record.name / "output_0")
        return engine.execute(stage, run, state)

    with engine.controlled(lab.ledger, record, proposal, lab.view) as run:
        engine.drive(run, carry_out)
    assert at_its_begin[0] == [".chiminey-incoming/killed"]
    assert left(lab) == [".chiminey-incoming/killed"]
    assert (lab.results / record.name / "output_0/7/answer").read_text() == "7"


def leave(folder: Path) -> None:
    """What somebody leaves there who is killed when the seventh output has made room for another."""
    for name, text in (("new/7/answer", "half"), ("old-7/answer", "7")):
        path = folder / ".chiminey-incoming" / "killed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def left(lab: Lab) -> list[str]:
    return [str(path.relative_to(lab.results)) for path in lab.results.rglob(".chiminey-incoming/*")]


@pytest.mark.chaos
def test_twenty_kills_at_random_moments_lose_nothing_and_repeat_nothing(hosts: list[SSHD], tmp_path: Path) -> None:
    kill_and_resume(hosts[:2], tmp_path, tasks=200, kills=20, seed=int(os.environ.get("CHAOS_SEED", "7")))
