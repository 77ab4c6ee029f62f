"""A batch as job arrays: which tasks each element runs, and how many arrays the cluster's limit on their size makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

GRACE = 5  # seconds that a task is given to end at its time limit
MARGIN = 60  # seconds of a job beside its tasks


@dataclass(frozen=True, slots=True)
class Array:
    """One job array of a batch. Its elements have the indices 1 to ``size``; in the batch they follow ``offset`` others."""

    number: int  # in the batch, from 1
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tasks of a batch are put into elements: in their order, so many to each."""

    tasks: int
    per_element: int
    largest: int  # elements that an array may have

    @property
    def elements(self) -> int:
        """How many elements the batch has."""
        return ceil(self.tasks / self.per_element)

    def arrays(self) -> Iterator[Array]:
        """The arrays of the batch, all of the largest size but the last."""
        for number, offset in enumerate(range(0, self.elements, self.largest), start=1):
            yield Array(number, offset, min(self.largest, self.elements - offset))

    def positions(self, element: int) -> range:
        """Which of the batch's tasks an element runs, counted from 0; elements are counted from 1."""
        first = (element - 1) * self.per_element
        return range(first, min(first + self.per_element, self.tasks))

    def place(self, element: int) -> tuple[int, int]:
        """The array that has an element of the batch, and the index that it has there."""
        array, index = divmod(element - 1, self.largest)
        return array + 1, index + 1

    def element(self, array: int, index: int) -> int:
        """The element of the batch that is so named in one of its arrays."""
        return (array - 1) * self.largest + index


class ArrangedBatch(NamedTuple):
    """A batch as it was put into arrays."""

    layout: Layout
    tasks: tuple[int, ...]  # their ids, in order


def smaller(size: int) -> Iterator[int]:
    """Sizes of arrays to try after one of this size was refused because the queue is full, without an end.

    It may be that a smaller one fits, or that none does until others have ended. So they are halved, a few times only lest a
    moment's lack of room makes hundreds of arrays, and then the whole is tried again; at each turn smaller ones than before.
    """
    least = size
    while True:
        least = max(1, least // 16)
        tried = size
        while tried // 2 >= least:
            tried //= 2
            yield tried
        yield size


def wall_time(asked: int, growth: int, limit: float, rounds: int) -> int:
    """Seconds that a job may take; 0: nothing is said.

    Args:
        asked: seconds that are asked for; 0: none, they follow from the tasks' own limit.
        growth: how often the tasks ran out of time: it is doubled as often, but not beyond what their limit can need.
        limit: seconds that one task may take, which grow as well; 0: no limit.
        rounds: how many tasks a job runs one after another.
    """
    grown = asked * 2**growth
    if not limit:
        return grown
    needed = ceil(rounds * (limit + GRACE)) + MARGIN
    return min(grown, max(asked, needed)) if asked else needed


def indices(text: str) -> Iterator[int]:
    """The indices of elements as schedulers write them: ``7``, or ``1-5,9,20-30:2``."""
    for part in text.split(","):
        first, _, rest = part.partition("-")
        last, _, step = rest.partition(":")
        if first.isdigit():
            yield from range(int(first), int(last or first) + 1, int(step or 1))


def tasks_per_element(asked: int, length: float, expected: float, at_once: int) -> int:
    """How many tasks to put into an element.

    Args:
        asked: what the user chose; 0: nothing.
        length: seconds that a job should take; 0: nothing was said.
        expected: seconds that a task is likely to take; 0: nothing is known.
        at_once: how many tasks of an element run at the same time.
    """
    if asked:
        return asked
    if not length or not expected:
        return at_once
    return max(1, int(length / expected)) * at_once
