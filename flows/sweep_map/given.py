"""A map at the place and the time at which it is given: files are read and seeds are drawn, once.

What comes of it holds all that its points are made of, so that a resumed run sees the same ones, on whatever machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, cast

from blocks.errors import AllAtOnce, InvalidRequest
from flows.sweep_map import files
from flows.sweep_map.map import SweepMap

_SEEDS = 2**32


def given(written: Mapping[str, Any], folder: Path, texts: Container[str] = ()) -> SweepMap:
    """The map that a user gives, with paths relative to this folder; where a seed is missing, one is drawn.

    Columns of a CSV file with one of the names ``texts`` hold text, whatever it looks like.

    Raises:
        InvalidRequest: every mistake in it, each as a sentence that names the key and the reason.
    """
    return read(_each(written, _seeded), folder, texts)


def read(written: Mapping[str, Any], folder: Path, texts: Container[str] = ()) -> SweepMap:
    """The map that a connector gives, with paths relative to this folder. It has its seeds: a resumed run makes it anew.

    Raises:
        InvalidRequest: every mistake in it, each as a sentence that names the key and the reason.
    """
    with AllAtOnce() as attempt:

        def from_file(name: str, values: Any) -> dict[str, Any]:
            return attempt(_from_file, folder, name, values, texts) or {}  # without what can't be read, the rest is looked at

        attempt(_one_table, written)
        sweep = attempt(SweepMap, _each(written, from_file))
    assert sweep is not None
    return sweep


def named_files(written: Mapping[str, Any]) -> list[str]:
    """The files that a map names, as they are written there, mistakes aside."""
    found: list[str] = []

    def note(name: str, values: Any) -> dict[str, Any]:
        match values:
            case str() if name == "csv":
                found.append(values)
            case {"random_file": {"file": str() as file}}:
                found.append(file)
            case _:
                pass
        return {}

    _each(written, note)
    return found


def _one_table(written: Any) -> None:
    if isinstance(written, Mapping) and "csv" in written and "table" in written:
        raise InvalidRequest("sweep: a map has one table of points; give it as csv or as table, not both")


def _from_file(folder: Path, name: str, values: Any, texts: Container[str]) -> dict[str, Any]:
    match values:
        case str() if name == "csv":
            return {"table": files.points(folder / values, texts)}
        case {"random_file": asked, **others} if not others:
            return {name: files.draws(name, asked, folder)}
        case _:
            return {name: values}


def _seeded(name: str, values: Any) -> dict[str, Any]:
    match values:
        case {"random": {**drawn}}:
            return {name: {**values, "random": {"seed": secrets.randbelow(_SEEDS), **drawn}}}
        case _:
            return {name: values}


def _each(written: object, changed: Callable[[str, Any], dict[str, Any]]) -> Any:
    """The map with what stands for each name changed, in groups too; what is no map is left to be refused."""
    if not isinstance(written, Mapping):
        return written
    members: dict[str, Any] = {}
    for key, values in cast(Mapping[str, Any], written).items():
        if key != "zip":
            members |= changed(key, values)
        elif isinstance(values, list):
            members[key] = [_each(group, changed) for group in cast(list[object], values)]
        else:
            members[key] = _each(values, changed)
    return members
