"""What is where in the folder of a run; the paths are relative to it, and written in ledgers, crates and people's scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.ledger import PayloadTask

RUN_JSON = "run.json"  # what was asked for, and how it ended; a sweep has one too
TASKS_JSON = "tasks.json"
VALUES = "values"  # in a start point those that it has, in an output those that its task was given


def inputs(iteration: int) -> str:
    """The start points of an iteration, a folder each."""
    return f"input_{iteration}"


def outputs(iteration: int) -> str:
    """What the tasks of an iteration gave that have succeeded, a folder each."""
    return f"output_{iteration}"


def failures(iteration: int) -> str:
    """What attempts of tasks left that have failed, a folder each."""
    return f"failed_{iteration}"


def place(task: PayloadTask) -> str:
    """The folder of a task that is over: its output, or what its last attempt left."""
    if task.status == "completed":
        return f"{outputs(task.iteration)}/{task.id}"
    return f"{failures(task.iteration)}/{task.id}.{task.attempt}"


def left_by(place: str) -> tuple[str, str, str]:
    """The folder of a task, and beside it the files with what it printed and complained of, where it did."""
    return place, f"{place}.stdout", f"{place}.stderr"
