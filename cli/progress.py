"""A run on the terminal: what happens, and how far it is, on standard error."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from flows.view import Level, View
from flows.view import Progress as Counts

_STYLES = {"info": "dim", "warning": "yellow", "error": "red"}


class Terminal(View):
    """A bar where there is a terminal, plain lines elsewhere. Used as a context manager."""

    def __init__(self, is_interrupted: Callable[[], bool]) -> None:
        self._is_interrupted = is_interrupted
        self._console = Console(stderr=True, highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._bar: TaskID | None = None
        self._lock = threading.Lock()
        self._last = ""

    def __enter__(self) -> Terminal:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._progress.stop()

    def message(self, level: Level, text: str) -> None:
        self._console.print(text, style=_STYLES[level], markup=False, soft_wrap=True)

    def stage(self, name: str, iteration: int) -> None:
        self._show(name if not iteration else f"{name} ({iteration + 1})")

    def progress(self, progress: Counts) -> None:
        queue = f", {progress.queue}" if progress.queued else ""
        note = f"{progress.running} at work{queue}" + (f", {progress.failed} failed" if progress.failed else "")
        self._show("wait", progress.completed + progress.failed, progress.total, note)
        line = f"{progress.completed} of {progress.total} {progress.unit} completed" + (
            f", {progress.failed} failed" if progress.failed else ""
        )
        if queue:
            line += f", {progress.running} running{queue}"
        if not self._console.is_terminal and line != self._last:
            self._last = line
            self._console.print(line, markup=False, soft_wrap=True)

    def cancelled(self) -> bool:
        return self._is_interrupted()

    def _show(self, stage: str, done: int | None = None, total: int | None = None, note: str = "") -> None:
        """What is not given stays as it was."""
        with self._lock:
            if self._bar is None:
                self._bar = self._progress.add_task(stage, total=total, note=note)
            self._progress.update(self._bar, description=stage, completed=done, total=total, note=note)
