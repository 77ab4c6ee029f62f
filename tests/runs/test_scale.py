"""A thousand tasks and ten thousand on four hosts: nothing lost, nothing twice, and costs that do not grow with the tasks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flows import engine
from flows.run import Run
from flows.stages import Stage
from flows.state import RunState
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.runs.test_kill_controller import start
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.ssh, pytest.mark.scale]

MAIN = 'echo "$CHIMINEY_TASK_ID" >"$2/answer"\n'
MEGABYTE = 1024  # in kB


def run(hosts: list[SSHD], folder: Path, tasks: int) -> tuple[Lab, int, int]:
    """So many tasks on all hosts; gives how many stages were executed, and the most that one host was asked."""
    for host in hosts:  # a server may notice late that an earlier controller has hung up, and would then count two connections
        host.reset()
    lab = Lab(folder)
    executed: list[str] = []

    def counted(stage: Stage, run: Run, state: RunState) -> RunState:
        executed.append(stage.name)
        return engine.execute(stage, run, state)

    proposal = lab.request(connector(folder / "c", MAIN), unix(*hosts, slots=2), sweep={"n": list(range(tasks))})
    record = lab.add(proposal)
    with engine.controlled(lab.ledger, record, proposal, lab.view) as controlled:
        result = engine.drive(controlled, counted)
        asked = max(controlled.round_trips().values())
    assert (result.state, result.tasks.completed) == ("completed", tasks)
    check(lab.results / record.name, tasks)
    assert all(host.most_connections_at_once() == 1 for host in hosts)
    return lab, len(executed), asked


def check(folder: Path, tasks: int) -> None:
    answers = {path.parent.name: path.read_text().strip() for path in (folder / "output").glob("*/answer")}
    assert answers == {str(number): str(number) for number in range(1, tasks + 1)}


def test_a_thousand_tasks_cost_as_many_task_runs_as_ten_and_hardly_more_round_trips(hosts: list[SSHD], tmp_path: Path) -> None:
    _, few_stages, few_trips = run(hosts, tmp_path / "10", 10)
    began = time.monotonic()
    lab, many_stages, many_trips = run(hosts, tmp_path / "1000", 1000)
    more = 30 + (time.monotonic() - began) / 2  # a longer run is looked at a few times more

    assert few_stages == many_stages == 9
    assert many_trips <= few_trips + more, f"a host was asked {few_trips} times for 10 tasks and {many_trips} times for 1,000"
    assert len(lab.view.stages) == 8  # destroy is executed, and not announced


@pytest.mark.parametrize("tasks", [2_000, pytest.param(10_000, marks=pytest.mark.chaos)])
def test_thousands_of_tasks_finish_in_little_memory(hosts: list[SSHD], tmp_path: Path, tasks: int) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "connector", MAIN), unix(*hosts, slots=2), sweep={"n": list(range(tasks))})
    record = lab.add(proposal)

    controller = start(tmp_path, record)
    assert controller.wait() == 0, (tmp_path / "errors").read_text()[-2000:]
    assert int((tmp_path / "memory").read_text()) < 300 * MEGABYTE
    check(lab.results / record.name, tasks)
