"""Whether a task that failed, or was lost, is worth another attempt: what the user decided about such an end."""

from __future__ import annotations

from blocks.work import Cause
from flows.ledger import PayloadTask
from flows.request import Reliability


def is_another_due(reliability: Reliability, task: PayloadTask, cause: Cause | None) -> bool:
    """Whether the task is run again; a growth that was asked for is noted in it, and an attempt that does not count."""
    if cause is Cause.PREEMPTED:
        task.forgiven += 1  # it was not its fault, and may happen often
    left = task.attempt - task.forgiven <= reliability.maximum_retry
    return reliability.reschedule_failed_processes and left and _is_worth_it(reliability, task, cause)


def growth(task: PayloadTask) -> tuple[int, int]:
    """What only tasks of one batch can have in common."""
    return task.time_growth, task.memory_growth


def how(task: PayloadTask, cause: Cause | None) -> str:
    """How the last attempt ended, in a few words."""
    if cause is not None:
        return str(cause)
    return f"exit code {task.exit_code}" if task.exit_code else "without its outputs"


def _is_worth_it(reliability: Reliability, task: PayloadTask, cause: Cause | None) -> bool:
    match cause:
        case Cause.TIME:
            task.time_growth += reliability.on_timeout == "more"
            return reliability.on_timeout != "fail"
        case Cause.MEMORY:
            task.memory_growth += reliability.on_oom == "more"
            return reliability.on_oom != "fail"
        case Cause.CANCELLED | Cause.REFUSED:
            return False
        case _:
            return True
