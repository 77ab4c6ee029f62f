"""How a run ended: the one object that Python callers get, and that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any

from pydantic import BaseModel, ConfigDict

from blocks.errors import ChimineyError, InvalidRequest, RunCancelled
from flows.ledger import Ledger, RunRecord, RunStatus
from flows.request import common_request


class TaskCounts(BaseModel):
    """How many tasks there were, over all iterations, and how they ended."""

    model_config = ConfigDict(frozen=True)

    total: int = 0
    completed: int = 0
    failed: int = 0


class RunResult(BaseModel):
    """The result of a run."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    name: str
    state: RunStatus
    output: str  # where the results are
    tasks: TaskCounts
    iterations: int
    criterion: float | None = None
    results: dict[str, Any] = {}  # the connector's result columns
    curated: str = ""  # where the repository that it was published in shows it
    messages: tuple[str, ...] = ()

    @property
    def parts(self) -> str:
        """In words, how many of its parts failed."""
        return f"{self.tasks.failed} of {self.tasks.total} tasks failed"


def failure(run: str, error: ChimineyError) -> RunResult:
    """The result of a run, given by id or name, that raised an error, as far as it came."""
    state: RunStatus = "cancelled" if isinstance(error, RunCancelled) else "failed"
    messages = error.problems if isinstance(error, InvalidRequest) else (str(error),)
    record = None
    with closing(Ledger()) as ledger:
        with suppress(InvalidRequest):  # it was not even begun
            record = ledger.find(run)
        tasks = ledger.tasks(record.id) if record else []
        counts = counted(ledger, [record, *ledger.children(record.id)] if record else [])
    iterations = 1 + max((task.iteration for task in tasks), default=-1)
    name = record.name if record else ""
    return RunResult(
        run_id=record.id if record else "",
        name=name,
        state=state,
        output=place(record) if record else "",
        tasks=counts,
        iterations=iterations,
        messages=messages,
    )


def counted(ledger: Ledger, runs: Iterable[RunRecord]) -> TaskCounts:
    """The tasks of these runs together."""
    each = [ledger.task_counts(run.id) for run in runs]
    return TaskCounts(
        total=sum(sum(counts.values()) for counts in each),
        completed=sum(counts.get("completed", 0) for counts in each),
        failed=sum(counts.get("failed", 0) for counts in each),
    )


def place(record: RunRecord) -> str:
    """Where the results of a run or sweep are, or would be: a location as it is typed."""
    output = common_request(record).output
    base = output.storage.name or str(output.storage.settings.get("path", ""))
    return "/".join(part for part in (base.rstrip("/"), output.path, record.name) if part)
