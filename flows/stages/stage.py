"""A stage: the unit of a run, with the four elements that every stage has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from flows.proposal import Proposal
from flows.run import Run
from flows.state import RunState


class Stage(ABC):
    """One stage of a run. An instance serves one execution: ``process`` acts, then ``output`` gives the new state.

    ``process`` may be repeated after a crash at any point, so what it does must be the same done twice.
    """

    name: ClassVar[str]
    retries: ClassVar[int] = 2  # after a transient fault, with growing pauses
    is_left_at_once: ClassVar[bool] = False  # by a Ctrl-C, for it may be long at work without asking whether to go on

    def input_valid(self, proposal: Proposal) -> list[str]:
        """What is wrong with the request, as far as this stage is concerned; asked before anything starts."""
        del proposal
        return []

    @abstractmethod
    def is_triggered(self, state: RunState) -> bool:
        """Whether this is the stage to run now. Pure."""

    @abstractmethod
    def process(self, run: Run, state: RunState) -> None:
        """Act."""

    @abstractmethod
    def output(self, state: RunState) -> RunState:
        """The state after ``process``."""
