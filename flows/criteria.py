"""The history of a run's criterion, as files beside the results and in the views, from the first iteration on."""

from __future__ import annotations

from collections.abc import Sequence

from flows import plots
from flows.results import Table
from flows.run import Run


def show(run: Run, criteria: Sequence[float]) -> None:
    """Write ``criterion.csv`` and ``criterion.png``, and show both."""
    rows = [{"iteration": number, "criterion": value} for number, value in enumerate(criteria, 1)]
    table = Table(rows, ["iteration"], ["criterion"])
    picture = plots.criterion(criteria, run.name)
    run.output_storage.write(f"{run.folder}/criterion.csv", table.csv())
    run.output_storage.write(f"{run.folder}/criterion.png", picture)
    run.view.table("criterion", table, picture)
    run.say("info", f"iteration {len(criteria)}: criterion {criteria[-1]:.6g}")
