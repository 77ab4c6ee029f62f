"""Converge: was this iteration the last? Then its outputs become the run's output."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import Any

from blocks.errors import RunFailed
from flows import criteria, hooks, plots, run_folder, start_points, tables
from flows.finished import finished
from flows.iteration import Convergence, Iteration
from flows.request import plain
from flows.result_columns import Table, is_number, readable
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Converge(Stage):
    """Asks the connector's ``converged`` hook, and ends the loop at the latest after ``max_iterations``."""

    name = "converge"
    is_left_at_once = True

    def __init__(self) -> None:
        self._done = True
        self._criteria: tuple[float, ...] = ()
        self._results: dict[str, Any] = {}
        self._start_points: tuple[str, ...] = ()

    def is_triggered(self, state: RunState) -> bool:
        return state.transformed and not state.converged and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        iteration = finished(run, state)
        verdict = hooks.ask(run.connector, "converged", Convergence, iteration, check=run.control.check)
        self._criteria = _history(iteration, verdict)
        self._done = verdict.done or state.iteration + 1 >= run.request.max_iterations
        if verdict.criterion is not None:
            criteria.show(run, self._criteria)
        if not verdict.done and self._done and run.request.max_iterations > 1:
            run.say("warning", f"not converged after {state.iteration + 1} iterations, the most that the run may take")
        if self._done:
            self._conclude(run, state, iteration)
        else:
            self._prepare(run, state)

    def output(self, state: RunState) -> RunState:
        state = state.model_copy(update={"criteria": self._criteria})
        if self._done:
            return state.model_copy(update={"converged": True, "ending": "completed", "results": self._results})
        return state.next_iteration().model_copy(update={"start_points": self._start_points})

    def _conclude(self, run: Run, state: RunState, iteration: Iteration) -> None:
        run.output_storage.alias(f"{run.folder}/{run_folder.outputs(state.iteration)}", f"{run.folder}/output")
        summary = hooks.ask(run.connector, "summary", hooks.MAPPING, iteration, check=run.control.check)
        self._results = plain(readable(summary))
        table = _table(iteration, run.plan(state).sweep.names(), several=len(state.start_points) > 1)
        if table.results:
            draw = partial(plots.results, table, run.name)
            tables.keep("results", table, draw, run.output_storage, run.folder, run.view, run.say)

    def _prepare(self, run: Run, state: RunState) -> None:
        """The input of the next iteration is what ``transform`` wrote, else the same once more."""
        following = f"{run.folder}/{run_folder.inputs(state.iteration + 1)}"
        if state.start_points and not run.output_storage.exists(following):
            run.output_storage.copy(f"{run.folder}/{run_folder.inputs(state.iteration)}", following)
        if run.output_storage.exists(following):
            self._start_points = tuple(point.name for point in start_points.read(run.output_storage, following))


def _table(iteration: Iteration, swept: list[str], *, several: bool) -> Table:
    """A row for each task: what was swept, the start point where there are several, and the results."""
    parameters = [*swept, *(["start_point"] if several else [])]
    rows = [
        {
            "task": task.id,
            **{name: task.values[name] for name in swept},
            **({"start_point": PurePosixPath(task.start_point or "").name} if several else {}),
            **task.results,
        }
        for task in iteration.tasks
    ]
    return Table(rows, parameters, list(dict.fromkeys(name for task in iteration.tasks for name in task.results)))


def _history(iteration: Iteration, verdict: Convergence) -> tuple[float, ...]:
    if verdict.criterion is None:
        return tuple(iteration.criteria)
    if not is_number(verdict.criterion):
        raise RunFailed(f"the criterion of iteration {iteration.index + 1} is {verdict.criterion}, which can't be compared")
    return (*iteration.criteria, verdict.criterion)
