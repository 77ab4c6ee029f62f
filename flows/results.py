"""Result columns as a table: one row for each task of a run, or for each point of a sweep."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import Any


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
        return text.getvalue().encode()


def is_number(value: object) -> bool:
    """Whether it can be drawn or averaged."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def mean(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One set of results for several: of one, itself; else the mean of each column that is a number in all of them."""
    if len(results) == 1:
        return dict(results[0])
    shared = [name for name in results[0] if all(is_number(each.get(name)) for each in results)] if results else []
    return {name: fmean(each[name] for each in results) for name in shared}


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float) or value is None else json.dumps(value, ensure_ascii=False)
