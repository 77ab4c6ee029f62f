"""How a sweep ended: its result, and the table and the plot beside the results of its runs."""

from __future__ import annotations

from functools import partial

from blocks.mistakes import few
from blocks.storage.resource import StorageResource, joined
from flows import json_file, plots, tables
from flows.ledger import RunStatus, is_completed
from flows.result import RunResult, TaskCounts, counted
from flows.run_folder import RUN_JSON
from flows.sweep.sweep import Sweep
from flows.sweep.table import table


class SweepResult(RunResult):
    """The result of a sweep; its tasks are those of all its runs."""

    points: TaskCounts  # a point whose run failed in part counts as completed

    @property
    def parts(self) -> str:
        """In words, how many of its points completed."""
        return f"{self.points.completed} of {self.points.total} points completed"


def outcome(sweep: Sweep, storage: StorageResource) -> SweepResult:
    """The result, from the ledger."""
    children = sweep.ledger.children(sweep.record.id)
    statuses: list[RunStatus] = [child.status for child in children]
    bad = [child for child in children if child.status != "completed"]
    failures = [f"{child.name} {child.status.replace('-', ' ')}: {child.message}" for child in bad]
    return SweepResult(
        run_id=sweep.record.id,
        name=sweep.record.name,
        state=_status(statuses),
        output=storage.describe(folder(sweep)),
        tasks=counted(sweep.ledger, children),
        points=TaskCounts(
            total=sweep.request.points,
            completed=sum(map(is_completed, statuses)),
            failed=statuses.count("failed"),
        ),
        iterations=1,
        messages=tuple(few(failures, "see results.csv")),
    )


def write(sweep: Sweep, storage: StorageResource, result: SweepResult) -> None:
    """Write ``run.json``, ``results.csv`` and, where there is something to draw, ``results.png``, and show them."""
    found = table(sweep.ledger, sweep.record)
    asked = sweep.request.model_dump(mode="json")
    document = {**result.model_dump(mode="json"), "created": sweep.record.created, "request": asked}
    storage.write(f"{folder(sweep)}/{RUN_JSON}", json_file.content(document))
    draw = partial(plots.results, found, sweep.record.name)
    tables.keep("results", found, draw, storage, folder(sweep), sweep.view, sweep.say)


def folder(sweep: Sweep) -> str:
    """Where everything of the sweep is, in the output storage."""
    return joined(sweep.request.run.output.path, sweep.record.name)


def _status(children: list[RunStatus]) -> RunStatus:
    if all(status == "completed" for status in children):
        return "completed"
    return "completed-with-failures" if any(map(is_completed, children)) else "failed"
