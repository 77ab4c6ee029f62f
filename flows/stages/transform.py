"""Transform: the connector prepares the input of the next iteration."""

from __future__ import annotations

from flows import hooks, run_folder
from flows.finished import finished
from flows.iteration import NextInput
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Transform(Stage):
    """Asks the connector's ``transform`` hook."""

    name = "transform"
    is_left_at_once = True

    def is_triggered(self, state: RunState) -> bool:
        return state.waited and not state.transformed and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        following = f"{run.folder}/{run_folder.inputs(state.iteration + 1)}"
        run.output_storage.remove(following)
        given = (finished(run, state), NextInput(run.output_storage, following))
        hooks.ask(run.connector, "transform", object, *given, check=run.control.check)

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"transformed": True})
