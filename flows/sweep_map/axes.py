"""Names that vary together: groups whose values are taken in step, and tables of points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, RootModel, field_validator, model_validator

from flows.sweep_map.draws import Draws
from flows.sweep_map.form import Form, Values
from flows.sweep_map.lists import Listed, as_json_keeps_it
from flows.sweep_map.progressions import Linspace, Logspace, Range

Written = Listed | Range | Linspace | Logspace | Draws
Axis = Mapping[str, Values]  # names whose values are taken together, all of the same number


class Zip(RootModel[dict[str, Written] | list[dict[str, Written]]]):
    """Groups of names whose values are taken together: the first of each, then the second of each."""

    model_config = ConfigDict(frozen=True)

    @property
    def groups(self) -> list[dict[str, Written]]:
        """The groups, which vary independently of each other."""
        return self.root if isinstance(self.root, list) else [self.root]


class Table(Form):
    """Points that are written out, each as a row with a value for each column."""

    columns: list[str]
    rows: list[list[Any]]

    @model_validator(mode="after")
    def _complete(self) -> Table:
        if not self.columns or not self.rows:
            raise ValueError("needs a column and a row at least")
        for name in self.columns:
            if self.columns.count(name) > 1:
                raise ValueError(f"has the column {name!r} more than once")
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"has {len(row)} values in row {number}, for {len(self.columns)} columns")
        return self

    @field_validator("rows")
    @classmethod
    def _as_json_keeps_them(cls, written: list[list[Any]]) -> list[list[Any]]:
        return as_json_keeps_it(written)

    @property
    def axis(self) -> Axis:
        """The columns."""
        return {name: _Column(self.rows, index) for index, name in enumerate(self.columns)}


@dataclass(frozen=True)
class _Column(Values):
    rows: list[list[Any]]
    index: int

    def size(self) -> int:
        return len(self.rows)

    def values(self) -> Iterator[Any]:
        return (row[self.index] for row in self.rows)


Entry = Written | Zip | Table


def axes(key: str, entry: Entry) -> list[Axis]:
    """What varies at a key of the map."""
    if isinstance(entry, Zip):
        return [*entry.groups]
    return [entry.axis if isinstance(entry, Table) else {key: entry}]


def size(axis: Axis) -> int:
    """How often it changes."""
    return next(iter(axis.values())).size()


def steps(axis: Axis) -> Iterator[dict[str, Any]]:
    """What its names are, one time after the other."""
    if len(axis) == 1:
        ((name, values),) = axis.items()
        return ({name: value} for value in values.values())
    names, columns = list(axis), [values.values() for values in axis.values()]
    return (dict(zip(names, row)) for row in zip(*columns))  # noqa: B905 -- they are as long as each other, and it is slower
