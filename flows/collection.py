"""Bringing the outputs of a host's ended tasks home, and saying of each how it ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from blocks.errors import CommandFailed, ResourceError, Unstorable
from blocks.host_file import SMALLEST, HostFile
from blocks.host_session import HostSession
from blocks.tree import Entry, folder
from blocks.work import Cause, TaskEnd
from flows import run_folder, task_cache
from flows.digest import Checksums, Passing
from flows.dispatch import Dispatch
from flows.plan import Plan
from flows.reported import RESULT, Overheard, reported
from flows.run import Run
from flows.run_folder import VALUES
from flows.sent_by_host import ReadHere, SentByHost

REASON_LENGTH = 1000
_VALUES = f"output/{VALUES}"  # kept for the values that the task was given
_NAME_IS_TAKEN = (
    f"a task wrote an output named {VALUES!r}, which is not kept: there the values that it was given are; give it another name"
)


class Abandoned(Exception):
    """Outputs were not brought home to the end, because somebody said to leave off."""


class Collection:
    """The way home of what one host's tasks left in an iteration, for as long as nobody says to ``stop``."""

    def __init__(
        self, run: Run, dispatch: Dispatch, plan: Plan, iteration: int, session: HostSession, stop: threading.Event
    ) -> None:
        self.host_error: ResourceError | None = None  # the last that came from the host, not from the output storage
        self._run = run
        self._dispatch = dispatch
        self._plan = plan
        self._iteration = iteration
        self._session = session
        self._stop = stop
        self._selection = replace(run.connector.selection, always=(RESULT,))
        self._apart = SMALLEST if run.output_storage.takes_from_hosts else 0

    def bring_home(self, ended: Iterable[TaskEnd]) -> None:
        """Put the outputs in their places, and then count the tasks: as completed, or as failed with the reason.

        Raises:
            ResourceError: of the host, then kept as ``host_error``, or of the output storage.
            Abandoned: it was to stop before all was read. What is read afterwards may be half of what a task left, for a run
                that ends removes its folders; so nothing is put into its place, and nothing counted.
        """
        ends = list(ended)
        succeeded = [end for end in ends if end.exit_code == 0]
        failed = [end for end in ends if end.exit_code != 0]
        seen = Passing()
        outputs, failures = run_folder.outputs(self._iteration), run_folder.failures(self._iteration)
        told, unreadable = self._placed(succeeded, outputs, seen)
        whole = [end for end in succeeded if end.task not in unreadable]
        errors, silent = self._placed(failed, failures, seen)
        arrived = {f"{outputs}/{self._name(end)}": end for end in whole}
        arrived |= {f"{failures}/{self._name(end)}": end for end in failed if end.task not in silent}
        self._run.lease.keep_files({place: self._checksums(seen, end) for place, end in arrived.items()})
        task_cache.keep(self._run, seen, [end.task for end in whole])
        reasons = {end.task: self._reason(end, errors.get(end.task)) for end in failed} | silent | unreadable
        results = {task: reported(content.end) for task, content in told.items()}
        self._dispatch.completed(whole, results)
        self._dispatch.failed([end for end in ends if end.task in reasons], reasons)

    def _checksums(self, seen: Passing, end: TaskEnd) -> Checksums:
        """Those of what a task left, as it passed."""
        return seen.files(*run_folder.left_by(self._name(end)))

    def _placed(self, ends: Sequence[TaskEnd], place: str, seen: Passing) -> tuple[dict[int, Overheard], dict[int, str]]:
        """What the tasks told in passing; and of those whose outputs can't be read or kept, why."""
        told: dict[int, Overheard] = {}
        unreadable: dict[int, str] = {}
        for batch in _by_batch(ends):
            self._place_batch(batch, f"{self._run.folder}/{place}", seen, told, unreadable)
        return told, unreadable

    def _place_batch(
        self, ends: Sequence[TaskEnd], folder: str, seen: Passing, told: dict[int, Overheard], unreadable: dict[int, str]
    ) -> None:
        """The tasks of one batch; halved until one that spoils the stream of all is alone, for it must cost no other."""
        heard: dict[int, Overheard] = {}
        try:
            with closing(self._outputs(ends, heard)) as outputs:  # the halves need what it holds of the connection
                self._run.output_storage.collect(folder, seen(outputs))
        except CommandFailed as error:
            self._go_on()
            if error is not self.host_error and not isinstance(error, Unstorable):
                raise
            reason = str(error)
        else:
            told.update(heard)
            return
        if len(ends) == 1:
            unreadable[ends[0].task] = reason[-REASON_LENGTH:]
            return
        half = len(ends) // 2
        for part in (ends[:half], ends[half:]):
            self._place_batch(part, folder, seen, told, unreadable)

    def _outputs(self, ends: Sequence[TaskEnd], told: dict[int, Overheard]) -> Generator[Entry]:
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
            inside = entry.path.removeprefix("output/")
            if entry.path == "output":
                continue
            if entry.path == _VALUES or entry.path.startswith(f"{_VALUES}/"):
                if not self._is_record(task, entry):
                    self._run.warn_once(_NAME_IS_TAKEN)
                continue
            if inside != entry.path and not self._selection.keeps(inside):
                continue
            placed = entry.at(f"{names[task]}/{inside}" if inside != entry.path else f"{names[task]}.{entry.path}")
            if entry.kind == "file" and entry.path == ("stderr" if task in failed else f"output/{RESULT}"):
                told[task] = Overheard(entry.blocks())
                placed = replace(placed, content=told[task])
            yield placed

    def _is_record(self, task: int, entry: Entry) -> bool:
        """Whether it is no more than a copy of the values that the task was given."""
        given = self._plan.record(self._dispatch.tasks[task])
        return entry.kind == "file" and entry.size == given.size and b"".join(entry.blocks()) == b"".join(given.blocks())

    def _fetched(self, ends: Sequence[TaskEnd]) -> Iterator[tuple[int, Entry]]:
        try:
            for task, entry in self._session.fetch(ends[0].batch, [end.task for end in ends], self._selection, self._apart):
                yield task, self._heard_entry(entry)
            self._go_on()
        except ResourceError as error:
            self._go_on()
            self._heard(error)
            raise

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Abandoned

    def _heard_entry(self, entry: Entry) -> Entry:
        if not isinstance(entry.content, HostFile):
            return entry
        if self._apart:
            return replace(entry, content=SentByHost(entry.content, self._heard, self._through_here))
        return replace(entry, content=ReadHere(entry.content, self._heard))

    def _heard(self, error: ResourceError) -> None:
        self.host_error = error

    def _through_here(self, error: CommandFailed) -> None:
        """The host can't send files to the storage: from now on they come to this machine, like all others."""
        self._run.say("warning", f"{error}; large files go through this machine")
        self._apart = 0

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


def _printed(errors: Overheard | None) -> str:
    """The end of a task's standard error, as far as it can be shown."""
    text = errors.end.decode("utf-8", "replace") if errors else ""
    shown = "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return shown.strip()[-REASON_LENGTH:]


def _killed(code: int) -> str:
    """What killed it, where a shell says so by its exit code."""
    names = {128 + each.value: each.name for each in signal.Signals}
    return f"killed by {names[code]}; " if code in names else ""
