"""An iteration as its connector's hooks see it."""

from __future__ import annotations

from flows import run_folder
from flows.iteration import FinishedTask, Iteration
from flows.ledger import PayloadTask
from flows.run import Run
from flows.state import RunState


def finished(run: Run, state: RunState) -> Iteration:
    """The tasks that succeeded in the current iteration, in order."""
    plan = run.plan(state)
    inputs = f"{run.folder}/{run_folder.inputs(state.iteration)}"

    def seen(task: PayloadTask) -> FinishedTask:
        return FinishedTask(
            id=task.id,
            values=plan.values(task),
            storage=run.output_storage,
            folder=f"{run.folder}/{run_folder.place(task)}",
            start_point=f"{inputs}/{state.start_points[task.start_point]}" if state.start_points else None,
            reported=task.results,
            connector=run.connector,
        )

    tasks = [seen(task) for task in run.ledger.tasks(run.id, state.iteration) if task.status == "completed"]
    return Iteration(state.iteration, plan.inputs, tasks, state.criteria[: state.iteration])
