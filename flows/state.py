"""The state of a run between two stages: typed, versioned, small, written to the ledger after every stage.

Tasks are not in it: there may be ten thousand of them, and the ledger keeps each in a row of its own.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows.circumstances import Circumstances

Ending = Literal["completed", "failed", "cancelled"]


class RunState(BaseModel):
    """How far a run is. Stages decide by it alone whether they are the one to run now."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    iteration: int = 0  # from 0, as in input_<i> and output_<i>
    configured: bool = False
    created: bool = False
    bootstrapped: bool = False
    scheduled: bool = False
    executed: bool = False
    waited: bool = False
    transformed: bool = False
    converged: bool = False
    ending: Ending | None = None  # set when the run is to end: only destroy is left
    destroyed: bool = False
    outputs_wait: bool = False  # it ended for they could not be kept: its hosts have them, for whoever resumes it
    to_curate: bool = False  # it is to be published, and is not yet
    unrecorded: bool = False  # it has ended, and not all that is kept beside its results could be written
    start_points: tuple[str, ...] = ()  # names of the folders in input_<i>
    next_task: int = 1
    criteria: tuple[float, ...] = ()  # one for each iteration, where the connector computes one
    results: dict[str, Any] = {}  # the run's result columns, once it has converged
    messages: tuple[str, ...] = ()  # how the run ended, in sentences
    ended: float = 0.0  # when it did; seconds since the epoch
    circumstances: Circumstances = Field(default_factory=Circumstances.now)  # of those who carry it out, or did to its end

    def next_iteration(self) -> RunState:
        """The state from which the next iteration is scheduled, on the same hosts."""
        return self.model_copy(
            update={
                "iteration": self.iteration + 1,
                "scheduled": False,
                "executed": False,
                "waited": False,
                "transformed": False,
                "converged": False,
            }
        )

    def reopened(self, *, work_left: bool) -> RunState:
        """The state from which an ended or interrupted run goes on: hosts that were released are made again.

        The connector, which may have been mended, is kept anew. A run whose outputs wait goes on with the hosts that have them;
        one that was interrupted while it tidied up after all was done has nothing but that to do.
        """
        if self.ending == "completed" and not work_left:
            return self
        now = Circumstances.now()
        if self.ending is None and not self.destroyed:
            return self.model_copy(update={"circumstances": now})
        anew = () if self.outputs_wait else ("configured", "created", "bootstrapped", "executed")
        again = (*anew, "waited", "transformed", "converged", "destroyed", "to_curate", "outputs_wait")
        told = {"ending": None, "messages": (), "ended": 0.0, "circumstances": now}
        return self.model_copy(update={**dict.fromkeys(again, False), **told})
