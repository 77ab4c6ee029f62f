"""The tasks of one iteration: the sweep's points times the start points, with the values that each task computes with.

Precedence of values, low to high: the input's ``values``, the start point's ``values``, the connector's inputs, the run's
own point, the internal sweep's point, the counters. The same plan is made again by a controller that resumes a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from blocks.errors import InvalidRequest
from blocks.mistakes import few
from blocks.tree import Entry, file
from blocks.work import TaskOrder
from flows import hooks, json_file
from flows.connector import SmartConnector
from flows.hooks import HookFailed
from flows.inputs import checked, texts
from flows.ledger import PayloadTask
from flows.request import RunRequest, plain
from flows.run_folder import VALUES
from flows.start_points import StartPoint
from flows.sweep_map import SweepMap, read
from flows.templates import TemplateProblem

CHECKED = 1000  # tasks whose templates are rendered before a run starts
MOST_TASKS = 1_000_000  # of one iteration
CHECKED_POINTS = 100_000  # of a user's sweep that are held to the inputs
COUNTERS = ("run_counter", "generator_counter")
UNSENDABLE = (TemplateProblem, HookFailed)  # what is raised of a task that can't be sent


class Plan:
    """The tasks of one iteration.

    Raises:
        InvalidRequest: the connector's own sweep can't be. What ``check`` raises while the connector is asked for it.
    """

    def __init__(
        self,
        connector: SmartConnector,
        request: RunRequest,
        iteration: int,
        start_points: list[StartPoint],
        check: Callable[[], None] | None = None,
    ) -> None:
        self._connector = connector
        self._start_points = start_points
        self._iteration = iteration
        self.inputs = checked(connector, request.inputs)
        self.sweep = request.sweep if request.sweep is not None else self._own_sweep(check)
        self._users = request.sweep is not None
        self._point = request.point
        self._time_limit = request.reliability.task_time_limit
        self._given = {**plain(self.inputs.model_dump()), **request.inputs}
        fields = connector.Inputs.model_fields
        self._varied = [name for name in self.sweep.names() if name in fields] if self._users else []

    def _own_sweep(self, check: Callable[[], None] | None) -> SweepMap:
        given = hooks.ask(self._connector, "internal_sweep", hooks.MAPPING, self.inputs, self._iteration, check=check)
        return read(given, self._connector.folder, texts(self._connector))

    def problems(self) -> list[str]:
        """What is wrong with the sweep's values or the templates, in the user's words."""
        if self.count() > MOST_TASKS:
            return [f"there would be {self.count():,} tasks, and one run may have {MOST_TASKS:,}; make several runs of it"]
        if found := [*self._changed(), *self._lacking(), *self._misfits()]:
            return found
        for task in islice(self.tasks(1), CHECKED):
            try:
                self.order(task)
            except UNSENDABLE as error:
                if str(error) not in found:
                    found.append(str(error))
        return found

    def _changed(self) -> list[str]:
        """Inputs that the connector's own model does not take as it has made them: they are read again wherever a run goes on."""
        again = plain(self.inputs.model_dump())
        return [
            f"{name}: a validator of {self._connector.name} makes {again[name]!r} of {value!r}, which it has made itself; "
            "what has passed a validator must pass it again unchanged"
            for name, value in self._given.items()
            if name in again and again[name] != value
        ]

    def _lacking(self) -> list[str]:
        """The arguments that a task has no value for."""
        lowest = set[str].intersection(*(set(point.values) for point in self._start_points)) if self._start_points else set[str]()
        known = {*lowest, *self._given, *self._point, *self.sweep.names(), *COUNTERS}
        advice = ": your sweep replaces the connector's own; add {} to it" if self._users else ""
        lacking = [name for name in self._connector.arguments if name not in known]
        return [f"the argument {name!r} has no value{advice.format(name)}" for name in lacking]

    def _misfits(self) -> list[str]:
        """Why some of the user's points can't be inputs."""
        found: dict[str, None] = {}
        for point in islice(self.sweep.points(), CHECKED_POINTS if self._varied else 0):
            try:
                self._as_inputs(point)
            except InvalidRequest as error:
                found.update(dict.fromkeys(f"sweep: {problem}" for problem in error.problems))
        return few(list(found))

    def _as_inputs(self, point: dict[str, Any]) -> dict[str, Any]:
        """A point whose values have the types of the inputs that they stand for. Raises InvalidRequest: they can't have them."""
        if not self._varied:
            return point
        made = plain(checked(self._connector, {**self._given, **{name: point[name] for name in self._varied}}).model_dump())
        return {**point, **{name: made[name] for name in self._varied}}

    def count(self) -> int:
        """How many tasks there are."""
        return self.sweep.count() * max(1, len(self._start_points))

    def tasks(self, first: int) -> Iterator[PayloadTask]:
        """The tasks, numbered from ``first``."""
        number = first
        for start_point in self._start_points or [None]:
            for point in map(self._as_inputs, self.sweep.points()):
                generator = start_point.values.get("run_counter", 0) if start_point else 0
                counters = dict(zip(COUNTERS, (number, generator), strict=True))
                yield PayloadTask(number, self._iteration, start_point.number if start_point else -1, {**point, **counters})
                number += 1

    def values(self, task: PayloadTask) -> dict[str, Any]:
        """What a task computes with."""
        lowest = self._start_points[task.start_point].values if task.start_point >= 0 else {}
        return {**lowest, **self._given, **self._point, **task.point}

    def start_point(self, task: PayloadTask) -> str:
        """The name of the folder in the input that a task begins from; empty for none."""
        return self._start_points[task.start_point].name if task.start_point >= 0 else ""

    def record(self, task: PayloadTask) -> Entry:
        """The task's values as the file that it gets, and that is kept with its output."""
        return file(VALUES, json_file.content(self.values(task)))

    def time_limit(self, task: PayloadTask) -> float:
        """Seconds that a task may take, which grow with the attempts where that was asked for; 0: no limit."""
        return float(self._time_limit * 2**task.time_growth)

    def _program(self, values: dict[str, Any]) -> str:
        return hooks.ask(self._connector, "run_task", str, self.inputs, values) if self._connector.payload is None else ""

    def order(self, task: PayloadTask) -> TaskOrder:
        """The task as it is sent to a host.

        Raises:
            TemplateProblem: a template names a value that the task does not have, or can't be rendered with those that it has.
            HookFailed: the connector has no program for it.
        """
        values = self.values(task)
        rendered = self._start_points[task.start_point].templates.render(values) if task.start_point >= 0 else {}
        return TaskOrder(
            id=task.id,
            attempt=task.attempt,
            start=task.start_point,
            files=(self.record(task), *(file(name, content) for name, content in rendered.items())),
            arguments=tuple(_argument(values[name]) for name in self._connector.arguments),
            program=self._program(values),
        )


def _argument(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
