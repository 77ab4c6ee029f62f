"""What is known of the runs of a sweep, from the ledger alone: how far they are, and a row for each point."""

from __future__ import annotations

from typing import Any

from flows.ledger import Ledger, RunRecord
from flows.request import RunRequest, SweepRequest
from flows.result_columns import Table
from flows.state import RunState
from flows.view import Progress


def progress(ledger: Ledger, sweep: str, total: int) -> Progress:
    """How many of its points have come to which end."""
    counts = ledger.statuses(sweep)
    return Progress(0, total, counts["completed"], counts["failed"], counts["running"], unit="points")


def table(ledger: Ledger, sweep: RunRecord) -> Table:
    """The points that were begun, in order: the point, its run, the state of that, its criterion and the connector's results."""
    parameters = SweepRequest.model_validate_json(sweep.request).sweep.names()
    rows: list[dict[str, Any]] = []
    results: dict[str, None] = {}
    for child in ledger.children(sweep.id):
        state = RunState.model_validate_json(child.state)
        found = {**({"criterion": state.criteria[-1]} if state.criteria else {}), **state.results}
        results |= dict.fromkeys(found)
        point = RunRequest.model_validate_json(child.request).point
        rows.append({"point": child.number, **point, "run": child.name, "state": child.status, **found})
    return Table(rows, parameters, list(results))
