"""The points of a sweep in one controller's hands, without a Prefect server: what becomes of the others when one goes wrong."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.errors import LeaseLost, RunCancelled
from flows import SmartConnector, engine
from flows.iteration import Iteration
from flows.ledger import RunRecord
from flows.ledger.owner import this_process
from flows.request import RunRequest, SweepRequest
from flows.run import Run
from flows.stages.destroy import Destroy
from flows.state import RunState
from flows.sweep.sweep import CarryOut, Sweep
from flows.sweep_map import SweepMap
from flows.view import View
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector


def begun(lab: Lab, sample: SmartConnector, points: Mapping[str, Any]) -> tuple[Sweep, CarryOut]:
    """A sweep in the ledger with this process as its controller, and what carries out a run of it."""
    proposal = lab.request(sample, LocalCompute(slots=2))
    swept = SweepMap(dict(points))
    request = SweepRequest(run=proposal.request, sweep=swept, points=swept.count(), at_once=1, by_workers=False)
    identity = secrets.token_hex(5)  # other tests run on this machine, too, and a run's processes are known by its id
    record = RunRecord(identity, f"sweep-sample-{identity}", sample.name, request.model_dump_json(), kind="sweep")
    lab.ledger.add(record)
    lease = lab.ledger.acquire(record.id, this_process())
    assert lease is not None

    def carry_out(child: RunRecord, view: View) -> None:
        asked = replace(proposal, request=RunRequest.model_validate_json(child.request))
        with engine.controlled(lab.ledger, child, asked, view) as run:
            engine.drive(run, engine.execute)

    return Sweep(record, sample, lab.ledger, lease, lab.view), carry_out


def test_a_hook_that_raises_for_one_point_costs_that_point_only(tmp_path: Path) -> None:
    def summary(_self: object, iteration: Iteration) -> Mapping[str, Any]:
        return {"inverse": 1 / iteration.tasks[0].values["x"]}

    lab = Lab(tmp_path)
    sweep, carry_out = begun(lab, connector(tmp_path / "inverse", "true", summary=summary), {"x": [1, 0, 2]})

    sweep.drive(carry_out)
    sweep.close()

    assert [child.status for child in lab.ledger.children(sweep.record.id)] == ["completed", "failed", "completed"]
    (told,) = [message for message in lab.view.messages if message.startswith(f"sample-{sweep.record.id}-2 (point 2): ")]
    assert "ZeroDivisionError: division by zero" in told


def test_a_sweep_that_another_controller_took_over_stops_at_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sweep, _ = begun(lab, connector(tmp_path / "any", "true"), {"x": [1, 2, 3]})
    asked: list[str] = []

    def lose(child: RunRecord, _view: View) -> None:
        asked.append(child.id)
        sweep.lease.release()
        raise ZeroDivisionError

    with pytest.raises(LeaseLost):
        sweep.drive(lose)
    sweep.close()

    assert asked == [f"{sweep.record.id}-1"]


def test_a_signal_while_a_sweep_begins_ends_what_has_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "sweep 0":
            while not (lab.ledger.children(sweep.record.id) and lab.ledger.hosts(f"{sweep.record.id}-1")):
                time.sleep(0.02)
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr("flows.sweep.sweep.LEAVE_SECONDS", 250.0)
    lab = Lab(tmp_path)
    sweep, carry_out = begun(lab, connector(tmp_path / "any", "sleep 600"), {"x": [1]})
    with pytest.raises(KeyboardInterrupt):
        sweep.drive(carry_out)
    sweep.close()

    assert [child.status for child in lab.ledger.children(sweep.record.id)] == ["cancelled"]
    assert [host.status for host in lab.ledger.hosts(f"{sweep.record.id}-1")] == ["released"]


def test_a_sweep_that_is_cancelled_gives_its_runs_the_time_to_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Destroy.process

    def slowly(stage: Destroy, run: Run, state: RunState) -> None:
        time.sleep(1)
        process(stage, run, state)

    monkeypatch.setattr(Destroy, "process", slowly)
    monkeypatch.setattr("flows.sweep.sweep.LEAVE_SECONDS", 0.1)
    lab = Lab(tmp_path)
    sweep, carry_out = begun(lab, connector(tmp_path / "any", "sleep 600"), {"x": [1]})
    when(
        lambda: lab.ledger.task_counts(f"{sweep.record.id}-1").get("running"), lambda: lab.ledger.request_cancel(sweep.record.id)
    )
    with pytest.raises(RunCancelled):
        sweep.drive(carry_out)
    sweep.close()

    assert [host.status for host in lab.ledger.hosts(f"{sweep.record.id}-1")] == ["released"]


def test_a_process_that_is_ended_while_its_cancelled_sweep_tidies_up_gives_the_runs_some_time_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Destroy.process

    class Ended(BaseException):
        """What Prefect raises of a SIGTERM."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Ended

    def slowly(stage: Destroy, run: Run, state: RunState) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        process(stage, run, state)

    monkeypatch.setattr(Destroy, "process", slowly)
    monkeypatch.setattr("flows.sweep.sweep.LEAVE_SECONDS", 250.0)
    lab = Lab(tmp_path)
    sweep, carry_out = begun(lab, connector(tmp_path / "any", "sleep 600"), {"x": [1]})
    when(
        lambda: lab.ledger.task_counts(f"{sweep.record.id}-1").get("running"), lambda: lab.ledger.request_cancel(sweep.record.id)
    )
    former = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(Ended):
            sweep.drive(carry_out)
    finally:
        signal.signal(signal.SIGTERM, former)
    sweep.close()

    assert [child.status for child in lab.ledger.children(sweep.record.id)] == ["cancelled"]
    assert [host.status for host in lab.ledger.hosts(f"{sweep.record.id}-1")] == ["released"]
