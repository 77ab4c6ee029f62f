"""Destroy: however the run ends, nothing of it is left on a host."""

from __future__ import annotations

from flows.release import release
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState

SETTLE_SECONDS = 5.0  # for threads that ask for machines or send files, so that nothing is made after all was destroyed


class Destroy(Stage):
    """Ends what still runs, removes what is left, releases the hosts. What can't be reached is left to the reaper."""

    name = "destroy"
    retries = 0

    def is_triggered(self, state: RunState) -> bool:
        return state.ending is not None and not state.destroyed

    def process(self, run: Run, state: RunState) -> None:
        if not run.deliveries.end(SETTLE_SECONDS):
            run.say("warning", f"files were still being sent to a host; what comes of that stays there, in a folder {run.id}")
        if not run.machines.settled(SETTLE_SECONDS):
            run.say("warning", "a machine was still being asked for; if it comes, 'chiminey reap' will remove it")
        for trouble in release(run.ledger, run.lease, run.compute, run.session, outputs_wait=state.outputs_wait):
            run.say("warning", trouble)

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"destroyed": True})
