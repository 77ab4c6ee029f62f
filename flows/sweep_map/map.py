"""The map as a whole, and the points that it stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

from pydantic import ConfigDict, RootModel, model_validator

from blocks.errors import AllAtOnce, InvalidRequest
from flows.sweep_map import grammar
from flows.sweep_map.axes import Axis, Entry, axes, size, steps


class SweepMap(RootModel[dict[str, Entry]]):
    """A sweep map; it is validated from, and dumped to, its JSON.

    The points come in the order written, the last key fastest, so that their numbering is reproducible. The empty map has one
    point, which is empty.

    Raises:
        InvalidRequest: every mistake in it, each as a sentence that names the key and the reason.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _each_by_its_key(cls, written: object) -> object:
        if isinstance(written, SweepMap):
            return written
        members = grammar.object_of(written, 'the sweep map must be a JSON object, such as {"name": [1, 2, 3]}')
        with AllAtOnce() as attempt:
            entries = {key: attempt(grammar.entry, key, value) for key, value in members.items()}
            attempt(_refuse_twice, {key: entry for key, entry in entries.items() if entry is not None})
        return entries

    def names(self) -> list[str]:
        """What every point has a value for, in the order written."""
        return [name for axis in self._axes() for name in axis]

    def count(self) -> int:
        """How many points there are, without making them."""
        return prod(size(axis) for axis in self._axes())

    def points(self) -> Iterator[dict[str, Any]]:
        """The points, each made when it is asked for, in memory that does not grow with their number."""
        nothing: dict[str, Any] = {}
        points = iter([nothing])
        for axis in self._axes():
            points = _each_with_each(points, axis)  # itertools.product would keep all values of all axes
        return points

    def _axes(self) -> list[Axis]:
        return [axis for key, entry in self.root.items() for axis in axes(key, entry)]


def _refuse_twice(entries: dict[str, Entry]) -> None:
    names = Counter(name for key, entry in entries.items() for axis in axes(key, entry) for name in axis)
    if twice := [name for name, times in names.items() if times > 1]:
        raise InvalidRequest(*(f"sweep: {name!r} occurs more than once" for name in twice))


def _each_with_each(slower: Iterator[dict[str, Any]], axis: Axis) -> Iterator[dict[str, Any]]:
    return ({**point, **step} for point in slower for step in steps(axis))
