"""Execute: every host is given its first tasks."""

from __future__ import annotations

from flows.crew import Crew
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Execute(Stage):
    """Starts the tasks."""

    name = "execute"

    def is_triggered(self, state: RunState) -> bool:
        return state.bootstrapped and state.scheduled and not state.executed and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        run.crew = Crew(run, state)
        run.crew.hand_out()

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"executed": True})
