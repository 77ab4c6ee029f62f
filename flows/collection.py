"""Bringing the outputs of a host's ended tasks home, and saying of each how it ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from blocks.compute.resource import HostSession
from blocks.errors import CommandFailed, ResourceError, Unstorable
from blocks.tree import Entry, folder
from blocks.work import Cause, TaskEnd
from flows import task_cache
from flows.dispatch import Dispatch
from flows.plan import Plan
from flows.reported import RESULT, Overheard, reported
from flows.run import Run
from flows.start_points import VALUES

REASON_LENGTH = 500
_VALUES = f"output/{VALUES}"  # kept for the values that the task was given

Passed = Callable[[Iterable[Entry]], Iterable[Entry]]


class Collection:
    """The way home of what one host's tasks left in an iteration."""

    def __init__(self, run: Run, dispatch: Dispatch, plan: Plan, iteration: int, session: HostSession) -> None:
        self.host_error: ResourceError | None = None  # the last that came from the host, not from the output storage
        self._run = run
        self._dispatch = dispatch
        self._plan = plan
        self._iteration = iteration
        self._session = session

    def bring_home(self, ended: Iterable[TaskEnd]) -> None:
        """Put the outputs in their places, and then count the tasks: as completed, or as failed with the reason.

        Raises:
            ResourceError: of the host, then kept as ``host_error``, or of the output storage.
        """
        ends = list(ended)
        succeeded = [end for end in ends if end.exit_code == 0]
        failed = [end for end in ends if end.exit_code != 0]
        whole: list[int] = []
        with task_cache.witnessed(self._run, whole) as passed:
            told, unreadable = self._placed(succeeded, "output", passed)
            whole += [end.task for end in succeeded if end.task not in unreadable]
        errors, silent = self._placed(failed, "failed", lambda tree: tree)
        reasons = {end.task: self._reason(end, errors.get(end.task)) for end in failed} | silent | unreadable
        results = {task: reported(content.end) for task, content in told.items()}
        self._dispatch.completed([end for end in succeeded if end.task not in unreadable], results)
        self._dispatch.failed([end for end in ends if end.task in reasons], reasons)

    def _placed(self, ends: Sequence[TaskEnd], place: str, passed: Passed) -> tuple[dict[int, Overheard], dict[int, str]]:
        """What the tasks told in passing; and of those whose outputs can't be read or kept, why."""
        told: dict[int, Overheard] = {}
        unreadable: dict[int, str] = {}
        for batch in _by_batch(ends):
            self._place_batch(batch, f"{self._run.folder}/{place}_{self._iteration}", passed, told, unreadable)
        return told, unreadable

    def _place_batch(
        self, ends: Sequence[TaskEnd], folder: str, passed: Passed, told: dict[int, Overheard], unreadable: dict[int, str]
    ) -> None:
        """The tasks of one batch; halved until one that spoils the stream of all is alone, for it must cost no other."""
        heard: dict[int, Overheard] = {}
        try:
            self._run.output_storage.collect(folder, passed(self._outputs(ends, heard)))
            told.update(heard)
        except CommandFailed as error:
            if error is not self.host_error and not isinstance(error, Unstorable):
                raise
            if len(ends) == 1:
                unreadable[ends[0].task] = str(error)[-REASON_LENGTH:]
                return
            half = len(ends) // 2
            for part in (ends[:half], ends[half:]):
                self._place_batch(part, folder, passed, told, unreadable)

    def _outputs(self, ends: Sequence[TaskEnd], told: dict[int, Overheard]) -> Iterator[Entry]:
        """The outputs of one batch's tasks, below the name that each has in the output location.

        What tasks tell in passing is kept in ``told``: their results, or of those that failed their standard error.
        """
        for end in ends:
            name = self._name(end)
            yield folder(name)
            yield self._plan.record(self._dispatch.tasks[end.task]).under(name)
        names = {end.task: self._name(end) for end in ends}
        failed = {end.task for end in ends if end.exit_code != 0}
        for task, entry in self._fetched(ends):
            if entry.path in ("output", _VALUES) or entry.path.startswith(f"{_VALUES}/"):
                continue
            inside = entry.path.removeprefix("output/")
            placed = _at(entry, f"{names[task]}/{inside}" if inside != entry.path else f"{names[task]}.{entry.path}")
            if entry.kind == "file" and entry.path == ("stderr" if task in failed else f"output/{RESULT}"):
                told[task] = Overheard(entry.blocks())
                placed = replace(placed, content=told[task])
            yield placed

    def _fetched(self, ends: Sequence[TaskEnd]) -> Iterator[tuple[int, Entry]]:
        try:
            yield from self._session.fetch(ends[0].batch, [end.task for end in ends])
        except ResourceError as error:
            self.host_error = error
            raise

    def _reason(self, end: TaskEnd, errors: Overheard | None) -> str:
        if end.cause is Cause.TIME and not end.words:
            return f"it was stopped at its time limit of {self._plan.time_limit(self._dispatch.tasks[end.task]):g} s"
        tail = _printed(errors)
        if end.words:
            return f"{end.words}; it printed: {tail}" if tail else end.words
        return f"{_killed(end.exit_code or 0)}{tail or 'it printed no error'}"

    def _name(self, end: TaskEnd) -> str:
        return str(end.task) if end.exit_code == 0 else f"{end.task}.{self._dispatch.tasks[end.task].attempt}"


def _by_batch(ends: Sequence[TaskEnd]) -> Iterator[list[TaskEnd]]:
    for batch in sorted({end.batch for end in ends}):
        yield [end for end in ends if end.batch == batch]


def _at(entry: Entry, path: str) -> Entry:
    return Entry(path, entry.kind, entry.mode, entry.modified, entry.size, entry.content, entry.target)


def _printed(errors: Overheard | None) -> str:
    """The end of a task's standard error, as far as it can be shown."""
    text = errors.end.decode("utf-8", "replace") if errors else ""
    shown = "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return shown.strip()[-REASON_LENGTH:]


def _killed(code: int) -> str:
    """What killed it, where a shell says so by its exit code."""
    names = {128 + each.value: each.name for each in signal.Signals}
    return f"killed by {names[code]}; " if code in names else ""
