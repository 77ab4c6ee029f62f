"""Wait: until every task has ended; outputs come home while others still run, failed tasks are run again."""

from __future__ import annotations

from blocks.errors import RunFailed
from flows.crew import Crew
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Wait(Stage):
    """Sees the tasks through to their ends."""

    name = "wait"
    retries = 5  # connections to a storage that break again and again must not lose a long computation

    def is_triggered(self, state: RunState) -> bool:
        return state.executed and not state.waited and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        crew = run.crew or Crew(run, state)
        run.crew = None
        crew.work()
        tasks = run.ledger.tasks(run.id, state.iteration)
        if tasks and all(task.status == "failed" for task in tasks):
            raise RunFailed(f"no task succeeded; {tasks[0].failure}")

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"waited": True})
