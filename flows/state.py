"""The state of a run between two stages: typed, versioned, small, written to the ledger after every stage.

Tasks are not in it: there may be ten thousand of them, and the ledger keeps each in a row of its own.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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
    start_points: tuple[str, ...] = ()  # names of the folders in input_<i>
    next_task: int = 1
    criteria: tuple[float, ...] = ()  # one for each iteration, where the connector computes one
    results: dict[str, Any] = {}  # the run's result columns, once it has converged
    messages: tuple[str, ...] = ()  # how the run ended, in sentences

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

        One that was interrupted while it tidied up after all was done has nothing but that to do.
        """
        if not self.destroyed and (self.ending is None or (self.ending == "completed" and not work_left)):
            return self
        return self.model_copy(
            update={
                "created": False,
                "bootstrapped": False,
                "executed": False,
                "waited": False,
                "transformed": False,
                "converged": False,
                "ending": None,
                "destroyed": False,
                "messages": (),
            }
        )
