"""The tasks of one iteration: the sweep's points times the start points, with the values that each task computes with.

Precedence of values, low to high: the input's ``values``, the start point's ``values``, the connector's inputs, the run's
own point, the internal sweep's point, the counters. The same plan is made again by a controller that resumes a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from blocks.errors import InvalidRequest
from blocks.tree import Entry, file
from blocks.work import TaskOrder
from flows.connector import SmartConnector
from flows.inputs import checked
from flows.ledger import PayloadTask
from flows.request import RunRequest, plain
from flows.start_points import VALUES, StartPoint
from flows.sweep_map import SweepMap, read
from flows.templates import TemplateProblem

CHECKED = 1000  # tasks whose templates are rendered before a run starts
MOST_TASKS = 1_000_000  # of one iteration
CHECKED_POINTS = 100_000  # of a user's sweep that are held to the inputs


class Plan:
    """The tasks of one iteration.

    Raises:
        InvalidRequest: the connector's own sweep can't be.
    """

    def __init__(self, connector: SmartConnector, request: RunRequest, iteration: int, start_points: list[StartPoint]) -> None:
        self._connector = connector
        self._start_points = start_points
        self._iteration = iteration
        self.inputs = connector.Inputs.model_validate(request.inputs)
        self.sweep = request.sweep if request.sweep is not None else self._own_sweep()
        self._users = request.sweep is not None
        self._point = request.point
        self._time_limit = request.reliability.task_time_limit
        self._given = plain(self.inputs.model_dump())

    def _own_sweep(self) -> SweepMap:
        return read(self._connector.internal_sweep(self.inputs, self._iteration), self._connector.folder)

    def problems(self) -> list[str]:
        """What is wrong with the sweep's values or the templates, in the user's words."""
        if self.count() > MOST_TASKS:
            return [f"there would be {self.count():,} tasks, and one run may have {MOST_TASKS:,}; make several runs of it"]
        found = self._misfits()
        if found:
            return found
        for task in islice(self.tasks(1), CHECKED):
            try:
                self.order(task)
            except TemplateProblem as error:
                if str(error) not in found:
                    found.append(str(error))
        return found

    def _misfits(self) -> list[str]:
        """Why some of the user's points can't be inputs."""
        if not self._users or set(self.sweep.names()).isdisjoint(self._connector.Inputs.model_fields):
            return []
        found: dict[str, None] = {}
        for point in islice(self.sweep.points(), CHECKED_POINTS):
            varied = {name: value for name, value in point.items() if name in self._connector.Inputs.model_fields}
            try:
                checked(self._connector, {**self._given, **varied})
            except InvalidRequest as error:
                found.update(dict.fromkeys(f"sweep: {problem}" for problem in error.problems))
        return list(found)

    def count(self) -> int:
        """How many tasks there are."""
        return self.sweep.count() * max(1, len(self._start_points))

    def tasks(self, first: int) -> Iterator[PayloadTask]:
        """The tasks, numbered from ``first``."""
        number = first
        for start_point in self._start_points or [None]:
            for point in self.sweep.points():
                generator = start_point.values.get("run_counter", 0) if start_point else 0
                counters = {"run_counter": number, "generator_counter": generator}
                yield PayloadTask(number, self._iteration, start_point.number if start_point else -1, {**point, **counters})
                number += 1

    def values(self, task: PayloadTask) -> dict[str, Any]:
        """What a task computes with."""
        lowest = self._start_points[task.start_point].values if task.start_point >= 0 else {}
        return {**lowest, **self._given, **self._point, **task.point}

    def record(self, task: PayloadTask) -> Entry:
        """The task's values as the file that it gets, and that is kept with its output."""
        return file(VALUES, json.dumps(self.values(task), indent=1, ensure_ascii=False).encode() + b"\n")

    def time_limit(self, task: PayloadTask) -> float:
        """Seconds that a task may take, which grow with the attempts where that was asked for; 0: no limit."""
        return float(self._time_limit * 2**task.time_growth)

    def order(self, task: PayloadTask) -> TaskOrder:
        """The task as it is sent to a host.

        Raises:
            TemplateProblem: a template names a value that the task does not have.
        """
        values = self.values(task)
        rendered = self._start_points[task.start_point].templates.render(values) if task.start_point >= 0 else {}
        return TaskOrder(
            id=task.id,
            attempt=task.attempt,
            start=task.start_point,
            files=(self.record(task), *(file(name, content) for name, content in rendered.items())),
            arguments=tuple(_argument(values[name]) for name in self._connector.arguments),
            program=self._connector.run_task(self.inputs, values) if self._connector.payload is None else "",
        )


def _argument(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
