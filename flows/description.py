"""What the hooks that describe a run to a repository get and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blocks.curation.experiment import ParameterSet
from blocks.curation.graphs import graph

if TYPE_CHECKING:
    from flows.iteration import FinishedTask


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, as a whole."""

    name: str
    inputs: Any  # the connector's Inputs
    iterations: int
    criteria: Sequence[float]  # of each iteration, where there are any
    results: Mapping[str, Any]  # its result columns


@dataclass(frozen=True)
class StartPointSeen:
    """A start point of the first iteration."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Graph:
    """A graph that a repository draws of a run, with a point for each task: one of its columns against another."""

    name: str
    x: str  # a result column, a value of the task, or ``iteration``, which counts from 1
    y: str
    labels: tuple[str, str] | None = field(default=None)  # at the axes; the columns, unless given

    def of_run(self) -> ParameterSet:
        """The graph itself, which draws what the outputs offer."""
        return graph("experiment", self.name, axes=self.labels or (self.x, self.y), legends=(self.y,), keys=[self._keys()])

    def of_output(self, task: FinishedTask, iteration: int) -> ParameterSet | None:
        """The point that a task's output offers; None where it has not both columns."""
        columns = {**task.values, **task.results, "iteration": iteration + 1}
        if self.x not in columns or self.y not in columns:
            return None
        values = dict(zip(self._keys(), (columns[self.x], columns[self.y]), strict=True))
        return graph("dataset", self.name, values=values)

    def _keys(self) -> tuple[str, str]:
        return f"{self.name}/{self.x}", f"{self.name}/{self.y}"
