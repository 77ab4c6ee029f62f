"""Result columns as a table: one row for each task of a run, or for each point of a sweep."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from statistics import fmean
from typing import Any

READABLY = "backslashreplace"  # how text is written that UTF-8 has no bytes for


@dataclass(frozen=True)
class Table:
    """Rows that need not have the same columns; the parameters are those that were varied, the results what came of it."""

    rows: Sequence[Mapping[str, Any]]
    parameters: Sequence[str]
    results: Sequence[str]

    @property
    def columns(self) -> list[str]:
        """All columns, in the order in which they first occur."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def csv(self) -> bytes:
        """The table as CSV (RFC 4180) in UTF-8, with a header."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in self.rows)
        return text.getvalue().encode(errors=READABLY)


def is_number(value: object) -> bool:
    """Whether it can be drawn or averaged."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def readable(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Result columns whose text can be written in UTF-8: half of a character, which can't be, is spelt out."""
    return {_readable(name): _readable(value) if isinstance(value, str) else value for name, value in columns.items()}


def mean(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One set of results for several: of one, itself; else the mean of each column that is a number in all of them."""
    if len(results) == 1:
        return dict(results[0])
    shared = [name for name in results[0] if all(is_number(each.get(name)) for each in results)] if results else []
    return {name: _mean([each[name] for each in results]) for name in shared}


def _mean(numbers: Sequence[float]) -> float:
    try:
        return fmean(numbers)
    except OverflowError:  # their sum is more than a float can hold
        return fsum(number / len(numbers) for number in numbers)


def _readable(text: str) -> str:
    return text.encode(errors=READABLY).decode()


def _cell(value: Any) -> Any:
    plain = isinstance(value, str | int | float) or value is None
    return value if plain else json.dumps(value, ensure_ascii=False, default=str)
