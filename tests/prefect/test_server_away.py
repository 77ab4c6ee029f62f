"""The server is a view: runs go on while it is away, and it is told afterwards how they ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from blocks.server import embedded
from flows import reaper_flow
from flows.ledger import Ledger, RunRecord

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

SLEEPER = 'while [ ! -e "{folder}/hurry" ]; do sleep 0.1; done\n'


@pytest.fixture
def ledger(embedded_server: None) -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    ledger.close()
    embedded.ensure()  # for the tests that come after


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector whose tasks go on until the file ``hurry`` is there."""
    payload = tmp_path / "patient" / "payload" / "process_payload"
    payload.mkdir(parents=True)
    (tmp_path / "patient" / "connector.toml").write_text('name = "patient"\n')
    (payload / "main.sh").write_text(SLEEPER.format(folder=tmp_path))
    monkeypatch.setenv("CHIMINEY_PATH", str(tmp_path / "patient"))


@pytest.fixture
def run(patient: None, ledger: Ledger, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run from the command line that has begun."""
    with begun(ledger, 1, "run", "patient", "--output", str(tmp_path / "out"), "--json") as started:
        yield started


@pytest.fixture
def sweep(patient: None, ledger: Ledger, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep from the command line of which two points have begun, and two have not."""
    words = ["sweep", "patient", "--sweep", '{"k": [1, 2, 3, 4]}', "--at-once", "2"]
    with begun(ledger, 2, *words, "--output", str(tmp_path / "out"), "--json") as started:
        yield started


@contextmanager
def begun(ledger: Ledger, tasks: int, *words: str) -> Generator[subprocess.Popen[str]]:
    """The command, once so many tasks run."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}  # as a terminal has it
    command = [sys.executable, "-m", "cli", *words]
    with subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            until(lambda: tasks == sum(each.status == "running" for run in of_patient(ledger) for each in ledger.tasks(run.id)))
            yield started
        finally:
            started.kill()


def of_patient(ledger: Ledger) -> list[Any]:
    return [record for record in ledger.runs() if record.connector == "patient" and record.status == "running"]


def until(true: Callable[[], Any], seconds: float = 300.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)
    return answer


def kill_the_server() -> None:
    alive = embedded.running()
    assert alive is not None
    os.kill(alive.pid, signal.SIGKILL)
    until(lambda: not alive.alive)


def seen_as(flow_run: str) -> str | None:
    from uuid import UUID

    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(flow_run)).state_name


def corrected(ledger: Ledger, record: RunRecord) -> list[str]:
    """What is told of this run; runs of other tests, which may have been interrupted, are corrected beside it."""
    return [sentence for sentence in reaper_flow.correct(ledger) if sentence.startswith(f"{record.name}:")]


def test_a_run_completes_while_the_server_is_away_which_learns_of_it_later(
    run: subprocess.Popen[str], ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_the_server()
    (tmp_path / "hurry").touch()
    out, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    result = json.loads(out)
    assert result["state"] == "completed"
    assert err.splitlines()[-2:] == [
        f"{result['name']}: completed, 1 of 1 task completed",
        f"results: {result['output']}",
    ], "and nothing of the server"

    assert embedded.ensure()
    record = ledger.find(result["run_id"])
    assert seen_as(record.flow_run) == "Running"
    assert corrected(ledger, record) == [], "its controller may be about to tell it"
    monkeypatch.setattr(reaper_flow, "GRACE", 0.0)
    assert corrected(ledger, record) == [f"{record.name}: the server took it for Running, it is completed"]
    assert seen_as(record.flow_run) == "Completed"
    assert corrected(ledger, record) == []


def test_a_server_that_was_restarted_during_a_run_shows_how_it_ended(
    run: subprocess.Popen[str], ledger: Ledger, tmp_path: Path
) -> None:
    kill_the_server()
    assert embedded.ensure()
    (tmp_path / "hurry").touch()
    out, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    record = ledger.find(json.loads(out)["run_id"])
    assert seen_as(record.flow_run) == "Completed"


def test_a_sweep_completes_while_the_server_is_away_also_points_that_had_not_begun(
    sweep: subprocess.Popen[str], ledger: Ledger, tmp_path: Path
) -> None:
    kill_the_server()
    (tmp_path / "hurry").touch()
    out, err = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, err
    result = json.loads(out)
    assert (result["state"], result["points"]["completed"]) == ("completed", 4)
    assert len((Path(result["output"]) / "results.csv").read_text().splitlines()) == 1 + 4
    assert len(err.splitlines()) < 20, "nothing of Prefect's own despair"
    assert "is run without being seen in Prefect" in " ".join(err.split())
    assert err.splitlines()[-2:] == [
        f"{result['name']}: completed, 4 of 4 tasks completed",
        f"results: {result['output']}",
    ]


def test_a_server_that_was_restarted_during_a_sweep_shows_how_it_and_its_runs_ended(
    sweep: subprocess.Popen[str], ledger: Ledger, tmp_path: Path
) -> None:
    kill_the_server()
    assert embedded.ensure()
    (tmp_path / "hurry").touch()
    out, err = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, err
    record = ledger.find(json.loads(out)["run_id"])
    assert seen_as(record.flow_run) == "Completed"
    assert [seen_as(child.flow_run) for child in ledger.children(record.id)] == ["Completed"] * 4
