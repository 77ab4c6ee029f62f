"""Runs whose controller is gone, and those that only look so."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from blocks.compute import LocalCompute
from blocks.errors import InvalidRequest, NotFound, RunCancelled
from flows import engine, orphans, reaper, taking_up
from flows.abandoned import is_abandoned
from flows.ledger import Lease, RunRecord
from flows.ledger.owner import this_process
from flows.request import SweepRequest
from flows.state import Ending, RunState
from flows.sweep_map import SweepMap
from flows.taking_up import called_as
from tests.engine import Lab
from tests.payloads import connector


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("CHIMINEY_LEDGER", f"sqlite:///{tmp_path}/ledger.db")
    return Lab(tmp_path)


def a_run(lab: Lab, folder: Path) -> RunRecord:
    return lab.add(lab.request(connector(folder / "c", "true\n"), LocalCompute()))


def a_sweep_and_its_run(lab: Lab, folder: Path) -> tuple[RunRecord, RunRecord]:
    run = lab.request(connector(folder / "c", "true\n"), LocalCompute()).request
    request = SweepRequest(run=run, sweep=SweepMap.model_validate({"n": [1, 2]}), points=2, at_once=1)
    sweep = RunRecord("abc", "sweep-sample-abc", "sample", request.model_dump_json(), kind="sweep")
    child = RunRecord("abc-1", "sample-abc-1", "sample", run.model_dump_json(), parent="abc", number=1)
    for record in (sweep, child):
        lab.ledger.add(record)
    return sweep, child


@pytest.fixture
def taken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Whether others could take runs up while machines were being destroyed, for which the lease was kept."""
    monkeypatch.setattr("flows.control.HEARTBEAT_SECONDS", 0.1)
    renew, kept, found = Lease.renew, threading.Semaphore(0), dict[str, bool]()

    def renewed(lease: Lease) -> bool:
        is_cancelled = renew(lease)
        kept.release()
        return is_cancelled

    monkeypatch.setattr(Lease, "renew", renewed)

    def destroy(_compute: LocalCompute, _run: str, _hosts: object) -> None:
        while kept.acquire(blocking=False):
            pass  # what came before
        assert all(kept.acquire(timeout=60) for _ in range(2))
        found.update({record.id: lab.ledger.acquire(record.id, this_process()) is not None for record in lab.ledger.runs()})

    monkeypatch.setattr(LocalCompute, "destroy", destroy)
    return found


def test_nobody_takes_a_run_up_while_the_reaper_is_at_work_on_it(lab: Lab, taken: dict[str, bool], tmp_path: Path) -> None:
    record = a_run(lab, tmp_path)

    assert reaper.end(lab.ledger, record, lab.find, "failed", "its controller is gone") == "cleaned up"

    assert taken == {record.id: False}
    assert lab.ledger.acquire(record.id, this_process()) is not None, "afterwards it may be resumed"


def test_nor_a_sweep_while_its_runs_are_being_ended(lab: Lab, taken: dict[str, bool], tmp_path: Path) -> None:
    sweep, child = a_sweep_and_its_run(lab, tmp_path)

    assert reaper.end(lab.ledger, sweep, lab.find, "failed", "its controller is gone") == "its runs are ended"

    assert taken == {sweep.id: False, child.id: False}
    assert lab.ledger.acquire(sweep.id, this_process()) is not None


def test_nor_one_whose_machines_were_found_with_the_provider(
    lab: Lab, taken: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = a_run(lab, tmp_path)
    lease = lab.ledger.acquire(record.id, this_process())
    assert lease is not None
    lease.end("completed", "")
    lease.release()

    def left(_compute: LocalCompute, _installation: str) -> set[str]:
        return {record.id}

    monkeypatch.setattr(LocalCompute, "orphans", left)

    assert orphans.reap(lab.ledger, LocalCompute()) == [f"machines of run {record.name} are removed"]

    assert taken == {record.id: False}
    assert lab.ledger.acquire(record.id, this_process()) is not None


def test_a_run_that_ends_just_after_it_was_looked_up_is_no_dead_one(lab: Lab, tmp_path: Path) -> None:
    identity = a_run(lab, tmp_path).id
    lease = lab.ledger.acquire(identity, this_process())
    assert lease is not None
    (seen,) = lab.ledger.unfinished()
    lease.end("completed", "")
    lease.release()

    assert not reaper.needs_reaping(lab.ledger, seen)
    assert not is_abandoned(lab.ledger, seen)
    assert reaper.cancel(lab.ledger, seen, lab.find) == f"{seen.name} is completed, there is nothing to cancel"


def test_nor_is_one_that_begins_then(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = replace(a_run(lab, tmp_path), created=1.0)
    is_owned = lab.ledger.is_owned

    def begins_when_asked(record: RunRecord) -> bool:
        answer = is_owned(record)
        assert answer or lab.ledger.acquire(record.id, this_process()) is not None
        return answer

    monkeypatch.setattr(lab.ledger, "is_owned", begins_when_asked)
    assert not reaper.needs_reaping(lab.ledger, seen)


def test_a_run_that_is_cancelled_while_it_waits_for_its_turn_had_not_begun(lab: Lab, tmp_path: Path) -> None:
    sweep, child = a_sweep_and_its_run(lab, tmp_path)
    assert lab.ledger.acquire(sweep.id, this_process()) is not None

    assert reaper.cancel(lab.ledger, child, lab.find) == f"{child.name} had not begun: cleaned up"
    assert lab.ledger.find(child.id).status == "cancelled"


def test_who_goes_on_with_a_run_waits_for_whoever_is_writing_its_records(lab: Lab, tmp_path: Path) -> None:
    proposal = lab.request(connector(tmp_path / "c", "true\n"), LocalCompute())
    record = lab.add(proposal)
    lease = lab.ledger.acquire(record.id, this_process())
    assert lease is not None
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="being worked on"):
        lab.drive(record, proposal)
    assert time.monotonic() - began < taking_up.LEAVING_SECONDS

    lease.end("failed", "its controller is gone")
    threading.Timer(0.5, lease.release).start()
    assert lab.drive(record, proposal).state == "completed"


def test_a_run_that_begins_as_it_is_cancelled_is_asked_to_stop(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = a_run(lab, tmp_path)
    taken: list[Lease | None] = []

    def begins_then(_record: RunRecord) -> bool:
        taken.append(lab.ledger.acquire(record.id, this_process()))
        return False

    with monkeypatch.context() as patch:
        patch.setattr(lab.ledger, "is_owned", begins_then)
        assert reaper.cancel(lab.ledger, record, lab.find) == f"{record.name} is being cancelled"
    assert taken[0] is not None
    assert taken[0].renew()


@pytest.mark.parametrize("owner", ["nobody", "a controller that was killed"])
def test_a_run_that_was_cancelled_since_its_record_was_read_is_not_taken_up(lab: Lab, tmp_path: Path, owner: str) -> None:
    proposal = lab.request(connector(tmp_path / "c", "true\n"), LocalCompute())
    record = lab.add(proposal)
    if owner != "nobody":
        machine, _, *rest = this_process().split("|")
        lease = lab.ledger.acquire(record.id, "|".join([machine, "999999999", *rest]))
        assert lease is not None
        lease.begin("0f0f0f0f")
    read = lab.ledger.find(record.id)
    assert reaper.cancel(lab.ledger, read, lab.find).endswith("cleaned up")

    assert not called_as(read).was_in_hand
    with pytest.raises(RunCancelled, match="was cancelled"), engine.controlled(lab.ledger, read, proposal, lab.view):
        pass
    assert lab.drive(read, proposal).state == "completed", "whoever asks again knows that it was"
    assert [line["message"] for line in lab.ledger.history(record.id)].count("the run was cancelled") == 1


def test_a_cancel_of_somebody_elses_controller_is_none_of_who_goes_on_with_its_run(lab: Lab, tmp_path: Path) -> None:
    record = a_run(lab, tmp_path)
    lease = lab.ledger.acquire(record.id, this_process())
    assert lease is not None
    lease.begin("0f0f0f0f")
    assert called_as(lab.ledger.find(record.id)).was_in_hand
    lease.end("cancelled", "the run was cancelled")
    lease.release()
    assert not called_as(lab.ledger.find(record.id)).was_in_hand


def test_a_dead_run_of_which_the_resource_was_removed_is_over_all_the_same(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(*_: object) -> None:
        raise NotFound("there is no resource lab any more")

    record = a_run(lab, tmp_path)
    monkeypatch.setattr(reaper, "load", removed)
    told = reaper.cancel(lab.ledger, record, lab.find)
    assert told == f"{record.name} had not begun: could not be cleaned up: there is no resource lab any more"
    assert lab.ledger.find(record.id).status == "cancelled"


@pytest.mark.parametrize(("ending", "sentence"), [("cancelled", "the run was cancelled"), ("failed", "the disk is full")])
def test_a_run_whose_controller_died_as_it_tidied_up_ended_as_that_one_knew(
    lab: Lab, tmp_path: Path, ending: Ending, sentence: str
) -> None:
    record = a_run(lab, tmp_path)
    machine, _, *rest = this_process().split("|")
    lease = lab.ledger.acquire(record.id, "|".join([machine, "999999999", *rest]))
    assert lease is not None
    lease.begin("0f0f0f0f")
    lease.save(RunState(ending=ending, messages=(sentence,)).model_dump_json())

    assert reaper.reap(lab.ledger, lab.find) == [f"{record.name}: cleaned up"]
    ended = lab.ledger.find(record.id)
    assert (ended.status, ended.message) == (ending, sentence)
