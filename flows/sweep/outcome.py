"""How a sweep ended: its result, and the table and the plot beside the results of its runs."""

from __future__ import annotations

import json

from blocks.storage.resource import StorageResource, joined
from flows import plots
from flows.ledger import RunStatus
from flows.result import RunResult, TaskCounts
from flows.sweep.sweep import Sweep
from flows.sweep.table import table

SHOWN_FAILURES = 10


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
    tasks = [sweep.ledger.task_counts(child.id) for child in children]
    bad = [child for child in children if child.status != "completed"]
    failures = [f"{child.name} {child.status.replace('-', ' ')}: {child.message}" for child in bad]
    more = [f"and {len(failures) - SHOWN_FAILURES} more, see results.csv"] if len(failures) > SHOWN_FAILURES else []
    return SweepResult(
        run_id=sweep.record.id,
        name=sweep.record.name,
        state=_status(statuses),
        output=storage.describe(folder(sweep)),
        tasks=TaskCounts(
            total=sum(sum(counts.values()) for counts in tasks),
            completed=sum(counts.get("completed", 0) for counts in tasks),
            failed=sum(counts.get("failed", 0) for counts in tasks),
        ),
        points=TaskCounts(
            total=sweep.request.points,
            completed=sum(status.startswith("completed") for status in statuses),
            failed=statuses.count("failed"),
        ),
        iterations=1,
        messages=(*failures[:SHOWN_FAILURES], *more),
    )


def write(sweep: Sweep, storage: StorageResource, result: SweepResult) -> None:
    """Write ``run.json``, ``results.csv`` and, where there is something to draw, ``results.png``; and show them."""
    found = table(sweep.ledger, sweep.record)
    picture = plots.results(found, sweep.record.name)
    asked = sweep.request.model_dump(mode="json")
    document = {**result.model_dump(mode="json"), "created": sweep.record.created, "request": asked}
    storage.write(f"{folder(sweep)}/run.json", json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")
    storage.write(f"{folder(sweep)}/results.csv", found.csv())
    if picture is not None:
        storage.write(f"{folder(sweep)}/results.png", picture)
    sweep.view.table("results", found, picture)


def folder(sweep: Sweep) -> str:
    """Where everything of the sweep is, in the output storage."""
    return joined(sweep.request.run.output.path, sweep.record.name)


def _status(children: list[RunStatus]) -> RunStatus:
    if all(status == "completed" for status in children):
        return "completed"
    return "completed-with-failures" if any(status.startswith("completed") for status in children) else "failed"
