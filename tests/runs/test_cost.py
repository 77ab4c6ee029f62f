"""What a task costs beside its own computation: processes on the host, bytes on the way. Counted, for seconds say little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from blocks.host_session import HostSession
from blocks.remote.session import RunnerSession
from blocks.transport.local import LocalTransport
from blocks.tree import file
from blocks.work import Batch, TaskOrder
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.servers.sshd import SSHD

NUMBERED = 'echo $$ >"$2/process"\n'  # a host counts the processes that it has made: each gets the next number


def processes_of_a_task(host: SSHD, folder: Path, **declared: object) -> int:
    """How many processes the host makes from one task to the next."""
    lab = Lab(folder)
    result = lab.go(connector(folder / "c", NUMBERED, **declared), unix(host, slots=1), sweep={"n": list(range(60))})
    numbers = sorted(int(path.read_text()) for path in (lab.folder(result) / "output").glob("*/process"))
    assert len(numbers) == 60
    distances = sorted(after - before for before, after in pairwise(numbers))
    return distances[len(distances) // 4]  # what else the host makes meanwhile only adds


@pytest.mark.ssh
def test_a_task_with_a_small_program_is_one_process(hosts: list[SSHD], tmp_path: Path) -> None:
    assert processes_of_a_task(hosts[0], tmp_path) == 1


@pytest.mark.ssh
def test_a_large_program_is_sent_once_and_costs_each_task_one_process_that_copies_it(hosts: list[SSHD], tmp_path: Path) -> None:
    assert processes_of_a_task(hosts[0], tmp_path, files={"table": bytes(100_000)}) == 2


class Counted(LocalTransport):
    """Counts the bytes that it is given to send."""

    sent = 0

    def run(self, script: str, data: Iterable[bytes] = ()) -> bytes:
        return super().run(script, self._counted(data))

    def _counted(self, data: Iterable[bytes]) -> Iterator[bytes]:
        for block in data:
            self.sent += len(block)
            yield block


def test_a_task_with_a_small_program_is_sent_in_three_kilobytes(tmp_path: Path) -> None:
    sent: list[int] = []
    for number in (100, 200):
        transport = Counted()
        session: HostSession = RunnerSession(transport, f"run{number}", str(tmp_path))
        session.deliver([])
        before = transport.sent
        tasks = tuple(TaskOrder(task, 1, -1, files=(file("values", b'{"n": 1}\n'),)) for task in range(number))
        session.submit(Batch("0-b", 0, tasks, program=(file("main.sh", b"exit 0\n"),)), 2)
        sent.append(transport.sent - before)
        session.clean()
        session.close()
    assert (sent[1] - sent[0]) / 100 <= 3 * 1024
