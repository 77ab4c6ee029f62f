"""Schedule: the tasks of the iteration are planned and written to the ledger."""

from __future__ import annotations

from flows import task_cache
from flows.all_hosts import leave_out_failed, on_all_hosts
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Schedule(Stage):
    """Says what is to be computed. Which host computes it is decided while tasks run."""

    name = "schedule"

    def __init__(self) -> None:
        self._count = 0

    def is_triggered(self, state: RunState) -> bool:
        return state.bootstrapped and not state.scheduled and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        if state.iteration and state.start_points:  # those of the first came with the payload
            self._deliver(run, state)
        plan = run.plan(state)
        self._count = plan.count()
        run.lease.add_tasks(plan.tasks(state.next_task))
        start_points = f" from {len(state.start_points)} start points" if len(state.start_points) > 1 else ""
        run.say("info", f"{self._count} {'task' if self._count == 1 else 'tasks'}{start_points}")
        if run.request.cache:
            task_cache.take(run, state)

    def _deliver(self, run: Run, state: RunState) -> None:
        """Send the start points to every host; one that can't take them is left out, as long as there are others."""
        answers = on_all_hosts(run.hosts("ready"), lambda host: run.deliver(host, state), run.control.check)
        leave_out_failed(run, answers, "lost")

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"scheduled": True, "next_task": state.next_task + self._count})
