"""Another chance for what failed: the failed tasks of an ended run wait again, with all their attempts before them."""

from __future__ import annotations

from collections.abc import Container

from flows.ledger import Ledger, RunRecord, is_completed
from flows.state import RunState
from flows.taking_up import let_leave


def is_exhausted(ledger: Ledger, record: RunRecord) -> bool:
    """Whether a run, if it were resumed, would end as it did: it is completed, with its records, or only what failed is left."""
    if is_completed(record.status):
        return not RunState.model_validate_json(record.state).unrecorded and not ledger.task_counts(record.id).get("pending")
    return record.status == "failed" and set(ledger.task_counts(record.id)) == {"failed"}


def failed_runs(ledger: Ledger, record: RunRecord, points: Container[int] = ()) -> list[RunRecord]:
    """The run itself, or the runs of a sweep (at these points, or at all), as far as they failed, at least in part."""
    runs = ledger.children(record.id) if record.kind == "sweep" else [record]
    asked = [run for run in runs if not points or run.number in points]
    return [run for run in asked if run.status in ("failed", "completed-with-failures")]


def forgive(ledger: Ledger, record: RunRecord) -> int:
    """Let the failed tasks of the run's last iteration wait again, for whoever resumes it; returns how many.

    Earlier iterations stay as they are: what came after them was computed from what they gave.

    Raises:
        InvalidRequest: a controller is at work on the run.
    """
    refusal = f"{record.name} is still at work; wait for its end, or stop it with: chiminey cancel {record.name}"
    let_leave(ledger, record)
    with ledger.held(record, refusal) as lease:
        iteration = RunState.model_validate_json(record.state).iteration
        failed = [task for task in ledger.tasks(record.id, iteration) if task.status == "failed"]
        for task in failed:
            task.move("pending")
            task.forgiven = task.attempt
        lease.update_tasks(failed)
    return len(failed)
