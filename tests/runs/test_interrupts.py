"""The promise: a Ctrl-C at any moment leaves nothing behind, and counts for no task."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from types import FrameType

import pytest

from blocks.errors import RunCancelled
from flows.interrupt import Interrupt
from tests.engine import Lab, Recorder, left_on, unix
from tests.payloads import connector
from tests.runs.test_left_in_the_middle import end_of_host_threads
from tests.servers.sshd import SSHD

pytestmark = pytest.mark.ssh

LATEST = 2.0  # seconds after the first stage has begun; the run takes somewhat less
MAIN = 'sleep 0.3; echo "$CHIMINEY_TASK_ID" >"$2/answer"\n'


class Interrupting(Recorder):
    """Presses Ctrl-C so many seconds after a run has begun."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def stage(self, name: str, iteration: int) -> None:
        if not self.stages:
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
        super().stage(name, iteration)


def interrupt_and_see(hosts: list[SSHD], folder: Path, seconds: float) -> str:
    """Interrupt a run after so many seconds, and see how it ended, which is the answer."""
    lab = Lab(folder)
    lab.view = Interrupting(seconds)
    sample = connector(folder / "connector", MAIN, bootstrap="true\n")
    proposal = lab.request(sample, unix(*hosts, slots=1), sweep={"n": [1, 2, 3]})
    record = lab.add(proposal)

    def ring(_number: int, _frame: FrameType | None) -> None:
        if isinstance(signal.getsignal(signal.SIGINT), Interrupt):  # else the run has just ended
            signal.raise_signal(signal.SIGINT)

    former = signal.signal(signal.SIGALRM, ring)
    try:
        lab.drive(record, proposal)
        expected = "completed"
    except (KeyboardInterrupt, RunCancelled):
        expected = "cancelled"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    end_of_host_threads()

    ended, after = lab.ledger.find(record.id), f"after {seconds:.3f} s, {lab.view.stages[-1:]}"
    assert (ended.status, ended.owner) == (expected, None), after
    assert {host.status for host in lab.ledger.hosts(record.id)} <= {"released"}, after
    assert {task.status for task in lab.ledger.tasks(record.id)} <= {"completed", "pending"}, after
    assert [left_on(host) for host in hosts] == [[] for _ in hosts], after
    assert not [path for host in hosts for path in host.home.rglob(f"{record.id}*")], after
    return expected


def test_three_interrupts_at_random_moments_leave_nothing_behind(hosts: list[SSHD], tmp_path: Path) -> None:
    chance = random.Random(1)
    ends = [interrupt_and_see(hosts[:2], tmp_path / str(number), chance.uniform(0.0, LATEST)) for number in range(3)]
    assert "cancelled" in ends


@pytest.mark.chaos
@pytest.mark.slow
def test_a_hundred_interrupts_at_random_moments_leave_nothing_behind(hosts: list[SSHD], tmp_path: Path) -> None:
    chance = random.Random(2)
    ends = [interrupt_and_see(hosts[:2], tmp_path / str(number), chance.uniform(0.0, LATEST)) for number in range(100)]
    assert ends.count("cancelled") > 10
