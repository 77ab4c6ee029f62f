"""What a sweep map names in files: tables of points, and the random numbers of the first Chiminey."""

from __future__ import annotations

import csv
from collections.abc import Container
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from blocks.errors import InvalidRequest
from flows.sweep_map.form import Count, Form, parsed


class RandomFile(Form):
    """``{"file": "randomnums.txt", "first": 42, "count": 4, "low": 0, "high": 1000}``: whole numbers, without ``high``.

    Each line of the file holds a number of at least 0 and less than 1. The draws begin with line ``first``, counted from 0, and
    go on from the start at the end of the file; the first Chiminey drew its seeds so.
    """

    file: str
    first: Annotated[int, Field(ge=0)] = 0
    count: Count
    low: int = 0
    high: int

    @model_validator(mode="after")
    def _bounds(self) -> RandomFile:
        if self.low >= self.high:
            raise ValueError("must have a low that is less than high")
        return self


def points(path: Path, texts: Container[str]) -> dict[str, Any]:
    """The table that a CSV file holds, in the form that a map has it; what looks like a number becomes one.

    Not in columns with one of the names ``texts``.

    Raises:
        InvalidRequest: it can't be read, or a row has not as many values as there are columns.
    """
    try:
        lines = csv.reader(_text(path).splitlines(), skipinitialspace=True, strict=True)
        rows = [(lines.line_num, [cell.strip() for cell in row]) for row in lines if any(row)]
    except csv.Error as error:
        raise InvalidRequest(f"sweep: {path} is not CSV: {error}") from error
    if len(rows) < 2:
        raise InvalidRequest(f"sweep: {path} needs a line with the names of its columns and a line for each point")
    (_, columns), *body = rows
    wrong = [
        f"sweep: {path}, line {line}: {len(row)} values for {len(columns)} columns"
        for line, row in body
        if len(row) != len(columns)
    ]
    if wrong:
        raise InvalidRequest(*wrong)
    kinds = [str if column in texts else _value for column in columns]
    return {"columns": columns, "rows": [[kind(cell) for kind, cell in zip(kinds, row, strict=True)] for _, row in body]}


def draws(name: str, written: object, folder: Path) -> list[int]:
    """The whole numbers that a ``random_file`` stands for.

    Raises:
        InvalidRequest: it is written wrong, or the file can't be read, or holds something else.
    """
    asked = parsed(RandomFile, name, written)
    path = folder / asked.file
    numbers = [_raw(path, number, line) for number, line in enumerate(_text(path).splitlines(), 1) if line.strip()]
    if not numbers:
        raise InvalidRequest(f"sweep: {path} holds no numbers")
    wrapped = (numbers[(asked.first + number) % len(numbers)] for number in range(asked.count))
    return [int(raw * (asked.high - asked.low) + asked.low) for raw in wrapped]


def _raw(path: Path, number: int, line: str) -> float:
    try:
        raw = float(line)
    except ValueError:
        raw = -1.0
    if not 0 <= raw < 1:
        raise InvalidRequest(f"sweep: {path}, line {number}: {line.strip()!r} is no number of at least 0 and less than 1")
    return raw


def _value(cell: str) -> int | float | str:
    for kind in (int, float):
        try:
            number = kind(cell)
        except ValueError:
            continue
        if isfinite(number) and "_" not in cell:
            return number
    return cell


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"sweep: {path} can't be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"sweep: {path} is no text in UTF-8") from error
