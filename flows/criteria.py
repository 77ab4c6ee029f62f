"""The history of a run's criterion, as files beside the results and in the views, from the first iteration on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flows import plots, tables
from flows.result_columns import Table
from flows.run import Run


def show(run: Run, criteria: Sequence[float]) -> None:
    """Write ``criterion.csv`` and ``criterion.png``, and show both."""
    rows = [{"iteration": number, "criterion": value} for number, value in enumerate(criteria, 1)]
    table = Table(rows, ["iteration"], ["criterion"])
    draw = partial(plots.criterion, criteria, run.name)
    tables.keep("criterion", table, draw, run.output_storage, run.folder, run.view, run.say)
    run.say("info", f"iteration {len(criteria)}: criterion {criteria[-1]:.6g}")
