"""What the hooks of an iteration get: its finished tasks with their values and results, and a place for the next input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from blocks.errors import RunFailed
from blocks.tree import Entry, file
from flows import hooks, json_file
from flows.result_columns import is_number
from flows.run_folder import VALUES

if TYPE_CHECKING:
    from blocks.storage.resource import StorageResource
    from flows.connector import SmartConnector


@dataclass(frozen=True)
class Convergence:
    """The verdict on an iteration."""

    done: bool
    criterion: float | None = None  # what is shown as the history of the computation


@dataclass(frozen=True)
class FinishedTask:
    """A task that succeeded, with its values, its output and the results in it."""

    id: int
    values: Mapping[str, Any]
    storage: StorageResource
    folder: str  # of its output
    start_point: str | None  # the folder of the input that it had
    reported: Mapping[str, Any]  # what it wrote into ``result.json``
    connector: SmartConnector = field(repr=False)

    def read(self, name: str) -> bytes:
        """A file of the output. Raises NotFound."""
        return self.storage.read(f"{self.folder}/{name}")

    def files(self) -> Iterator[Entry]:
        """The whole output, as a tree; without the record of the values, which is no output."""
        return (entry for entry in self.storage.tree(self.folder) if entry.path != VALUES)

    @cached_property
    def results(self) -> Mapping[str, Any]:
        """Its result columns, as the connector has them."""
        return hooks.ask(self.connector, "results", hooks.MAPPING, self)

    def number(self, column: str) -> float:
        """A result that has to be a number.

        Raises:
            RunFailed: there is no such result, or it is no finite number.
        """
        value = self.results.get(column)
        if value is None or not is_number(value):
            known = ", ".join(self.results) or "none"
            raise RunFailed(f"task {self.id} has no number {column!r} among its results; they are: {known} (got {value!r})")
        return float(value)


@dataclass(frozen=True)
class Iteration:
    """One iteration whose tasks have ended."""

    index: int  # from 0
    inputs: Any  # the connector's Inputs
    tasks: Sequence[FinishedTask]  # those that succeeded, in order
    criteria: Sequence[float]  # of the iterations before

    def best(self, count: int, by: str | Callable[[FinishedTask], float]) -> list[FinishedTask]:
        """The tasks with the smallest values, in order; ``by`` is a result column, or computes the value of a task.

        Fewer when fewer succeeded; of equal ones the first come first.

        Raises:
            RunFailed: a task has no such result.
        """
        value: Callable[[FinishedTask], float] = (lambda task: task.number(by)) if isinstance(by, str) else by
        return sorted(self.tasks, key=value)[:count]

    def settled(self, criterion: float, threshold: float, *, falling: bool = False) -> Convergence:
        """Done when the criterion changed by no more than the threshold since the iteration before; never in the first.

        ``falling`` says that it has to come down: a rise, however small, is then no convergence.
        """
        if not self.criteria:
            return Convergence(done=False, criterion=criterion)
        change = self.criteria[-1] - criterion
        return Convergence(done=abs(change) <= threshold and not (falling and change < 0), criterion=criterion)


@dataclass(frozen=True)
class NextInput:
    """The input folder of the next iteration."""

    storage: StorageResource
    folder: str

    def add(self, name: str, tree: Iterable[Entry]) -> None:
        """Write a start point."""
        self.storage.store(f"{self.folder}/{name}", tree)

    def keep(self, task: FinishedTask, outputs: Mapping[str, str] | None = None, extra: Iterable[Entry] = ()) -> None:
        """Go on from a task: a start point of its name, with the input that it had, its values, and its outputs over them.

        ``outputs`` says which files of the output are kept and under which names, as ``{"final.xyz": "initial.xyz"}``; without
        it, all of them. ``extra`` are more files. What comes later in this list takes the place of what has the same name.

        Raises:
            RunFailed: the task did not write one of the outputs.
        """
        self.add(str(task.id), _start_point(task, outputs, list(extra)))


def _start_point(task: FinishedTask, outputs: Mapping[str, str] | None, extra: list[Entry]) -> Iterator[Entry]:
    last = {entry.path for entry in extra} | {VALUES}
    names = {entry.path: entry.path for entry in task.files() if entry.kind != "folder"} if outputs is None else outputs
    replaced = last | set(names.values())
    if task.start_point is not None:
        yield from (entry for entry in task.storage.tree(task.start_point) if entry.path not in replaced)
    missing = set(names)
    for entry in task.files():
        if entry.path in names:
            missing.remove(entry.path)
            if names[entry.path] not in last:
                yield entry.at(names[entry.path])
    if missing:
        raise RunFailed(f"task {task.id} did not write {', '.join(sorted(missing))}, which the next iteration starts from")
    yield from extra
    yield file(VALUES, json_file.content(dict(task.values)))
