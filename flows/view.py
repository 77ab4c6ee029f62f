"""What watches a run and shows it: the terminal, the Prefect UI. The engine works the same with or without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flows.ledger import PayloadTask
from flows.result_columns import Table

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an iteration is, or a sweep."""

    iteration: int
    total: int
    completed: int
    failed: int
    running: int  # at work on hosts
    queued: int = 0  # handed to a cluster, in whose queue they wait
    note: str = ""  # why they wait, and how long
    unit: Literal["tasks", "points"] = "tasks"

    @property
    def queue(self) -> str:
        """What to say of those that wait in a queue; nothing when there are none."""
        if not self.queued:
            return ""
        return f"{self.queued} queued ({self.note})" if self.note else f"{self.queued} queued"


class View:
    """A view that shows nothing; others override what they show."""

    def message(self, level: Level, text: str) -> None:
        """Something happened."""

    def stage(self, name: str, iteration: int) -> None:
        """A stage begins."""

    def progress(self, progress: Progress) -> None:
        """Tasks have moved; called at most once a second, and at the end of each iteration."""

    def tasks(self, tasks: Sequence[PayloadTask]) -> None:
        """All tasks of an iteration, at most every few seconds."""

    def table(self, name: str, table: Table, picture: bytes | None) -> None:
        """Results are there, or the history of the criterion, with a plot of them as PNG where there is something to draw."""

    def cancelled(self) -> bool:
        """Whether somebody asked there for the run to stop."""
        return False


class Views(View):
    """Several views as one."""

    def __init__(self, views: Iterable[View]) -> None:
        self._views = tuple(views)

    def message(self, level: Level, text: str) -> None:
        for view in self._views:
            view.message(level, text)

    def stage(self, name: str, iteration: int) -> None:
        for view in self._views:
            view.stage(name, iteration)

    def progress(self, progress: Progress) -> None:
        for view in self._views:
            view.progress(progress)

    def tasks(self, tasks: Sequence[PayloadTask]) -> None:
        for view in self._views:
            view.tasks(tasks)

    def table(self, name: str, table: Table, picture: bytes | None) -> None:
        for view in self._views:
            view.table(name, table, picture)

    def cancelled(self) -> bool:
        return any(view.cancelled() for view in self._views)
