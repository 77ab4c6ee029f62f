"""What became of tasks: their markers say, and where there is none, the queue and what the scheduler remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from blocks.scheduler.array import ArrangedBatch
from blocks.scheduler.dialect import KILLED, Dialect, Element
from blocks.scheduler.listing import Folder, Listing, read_history
from blocks.work import BatchStatus, Cause, TaskEnd


@dataclass(slots=True)
class _Explained:
    """What came of tasks whose jobs are over."""

    ends: dict[int, TaskEnd] = field(default_factory=dict[int, TaskEnd])
    not_begun: set[int] = field(default_factory=set[int])
    untraced: set[int] = field(default_factory=set[int])


class Verdicts:
    """What a listing says of each batch, once the history of what it leaves open was heard."""

    def __init__(
        self, listing: Listing, batches: Mapping[str, ArrangedBatch], refused: Mapping[str, str], dialect: Dialect
    ) -> None:
        self._listing, self._batches, self._refused, self._dialect = listing, batches, refused, dialect
        self._live = {
            batch: {
                number: element for number, element in self._of_batch(listing.queue, batch).items() if element.state != "over"
            }
            for batch in listing.folders
            if listing.queue is not None and batch in batches
        }
        self._due: set[tuple[str, int]] = set()
        self._fates: dict[str, dict[int, Element]] = {}
        self._logs: dict[tuple[str, int], str] = {}

    def unexplained(self) -> set[tuple[str, int]]:
        """Elements that are over, and have tasks that did not end by themselves."""
        return {
            (batch, element)
            for batch in self._live
            for element in self._over(batch)
            if any(self._is_open(batch, task) for task in self._tasks(batch, element))
        }

    def hear(self, due: set[tuple[str, int]], told: str) -> None:
        """What the scheduler remembers of these elements."""
        self._due = due
        logs, history = read_history(told)
        for (batch, array, index), text in logs.items():
            self._logs[batch, self._batches[batch].layout.element(array, index)] = text
        remembered = [element for element in self._dialect.parse(history) if element.state == "over"]
        self._fates = {batch: self._of_batch(remembered, batch) for batch in self._live}

    def status(self, batch: str) -> BatchStatus:
        """All that is known of a batch."""
        folder = self._listing.folders.get(batch, Folder())
        if batch in self._refused and batch not in self._batches:  # nothing of it was taken yet
            return BatchStatus(batch, alive=True, ends=(), queue=self._refused[batch])
        if batch not in self._batches or folder.state == "unknown":
            return BatchStatus(batch, alive=False, ends=(), started=frozenset(folder.claimed))
        found = _Explained({task: end for task, end in folder.ends.items() if end.exit_code not in KILLED})
        for name, element in self._due:
            if name == batch:
                self._explain(batch, element, found)
        over = found.ends.keys() | found.not_begun | found.untraced
        return BatchStatus(
            batch,
            alive=not over.issuperset(self._batches[batch].tasks),
            ends=tuple(found.ends.values()),
            started=frozenset(folder.claimed),
            not_begun=frozenset(found.not_begun),
            untraced=frozenset(found.untraced),
            waiting=frozenset(self._waiting(batch, folder) - over),
            queue=self._queue(batch),
        )

    def hopeless(self, batch: str) -> str:
        """Why jobs of a batch will never begin, in the scheduler's word; empty: they may, as others of the batch have."""
        live = self._live.get(batch, {}).values()
        if any(element.state == "running" for element in live):
            return ""
        reasons = {element.reason for element in live}
        return next((reason for reason in sorted(reasons) if self._dialect.is_hopeless(reason)), "")

    def _explain(self, batch: str, element: int, found: _Explained) -> None:
        """What came of the tasks of an element that is over."""
        folder = self._listing.folders[batch]
        fate, log = self._fates.get(batch, {}).get(element), self._logs.get((batch, element), "")
        tasks = self._tasks(batch, element)
        begun = not folder.claimed.isdisjoint(tasks)
        if begun and fate is not None and fate.unbegun:
            fate = None
        cause = (fate.cause if fate else None) or self._dialect.blame(log)
        words = self._words(fate, log)
        for task in filter(lambda task: self._is_open(batch, task), tasks):
            known = folder.ends.get(task)
            if known is not None:  # a signal ended it: the scheduler's doing, if that says so
                said = words if cause else ""
                found.ends[task] = TaskEnd(batch, task, known.exit_code, known.started, known.ended, cause, said)
            elif task in folder.claimed:
                found.ends[task] = TaskEnd(batch, task, None, cause=cause or Cause.LOST, words=words)
            elif begun:
                found.not_begun.add(task)
            elif log or (fate is not None and cause not in (Cause.NODE, Cause.PREEMPTED)):
                found.ends[task] = TaskEnd(batch, task, None, cause=cause or Cause.JOB, words=f"it did not begin; {words}")
            else:
                found.untraced.add(task)

    def _words(self, fate: Element | None, log: str) -> str:
        """How the scheduler puts it, and what the job itself had printed last."""
        title = self._dialect.title
        if fate is None:
            told = f"its job is gone from {title}'s queue, and {title} does not say how it ended"
        else:
            node = f" on {fate.node}" if fate.node else ""
            told = f"{title} says {fate.reason} of its job {fate.job}, element {fate.index}{node}"
        return f"{told}: {log}" if log else told

    def _waiting(self, batch: str, folder: Folder) -> set[int]:
        """Tasks whose turn has not come; while the scheduler is silent, all that have not begun."""
        if batch not in self._live:
            return set(self._batches[batch].tasks) - folder.claimed
        pending = (element for element, known in self._live[batch].items() if known.state == "pending")
        return {task for element in pending for task in self._tasks(batch, element)}

    def _queue(self, batch: str) -> str:
        """Why jobs wait, and until when."""
        if self._listing.queue is None:
            return f"{self._dialect.title} does not answer: {self._listing.words}"
        if batch in self._refused:
            return self._refused[batch]
        waiting = [element for element in self._live.get(batch, {}).values() if element.state == "pending"]
        reasons = list(dict.fromkeys(element.reason for element in waiting if element.reason and element.reason != "None"))
        starts = [element.start for element in waiting if element.start]
        expected = [f"expected to begin {_moment(min(starts))}"] if starts else []
        return ", ".join([*reasons[:3], *expected])

    def _over(self, batch: str) -> set[int]:
        """Elements that are not in the queue any more, or never will be."""
        folder = self._listing.folders[batch]
        if folder.state == "submitting":
            return set()
        arrays = [
            array
            for array in self._batches[batch].layout.arrays()
            if array.number in folder.jobs.values() or batch not in self._refused  # else it will be submitted yet
        ]
        return {array.offset + index for array in arrays for index in range(1, array.size + 1)} - self._live[batch].keys()

    def _of_batch(self, elements: list[Element], batch: str) -> dict[int, Element]:
        """What the scheduler says, by the numbers that elements have in a batch."""
        folder, layout = self._listing.folders[batch], self._batches[batch].layout
        sizes = {array.number: array.size for array in layout.arrays()}
        found: dict[int, Element] = {}
        for element in sorted(elements, key=lambda element: not element.index):  # the rest of an array comes last
            array = folder.jobs.get(element.job, folder.names.get(element.job))
            if array is None:
                continue
            for index in [element.index] if element.index else range(1, sizes[array] + 1):
                found.setdefault(layout.element(array, index), replace(element, index=index))
        return found

    def _tasks(self, batch: str, element: int) -> list[int]:
        layout, tasks = self._batches[batch]
        return [tasks[position] for position in layout.positions(element)]

    def _is_open(self, batch: str, task: int) -> bool:
        """It has no marker, or one of an end that may have been the scheduler's doing."""
        end = self._listing.folders[batch].ends.get(task)
        return end is None or end.exit_code in KILLED


def _moment(at: float) -> str:
    moment = datetime.fromtimestamp(at).astimezone()
    today = moment.date() == datetime.now(moment.tzinfo).date()
    return moment.strftime("at %H:%M" if today else "on %d %B at %H:%M")
