"""The JSON of a sweep map, one key at a time.

Whatever is wrong is raised as InvalidRequest: every mistake there is, each as a sentence that names the key and the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from blocks.errors import AllAtOnce, InvalidRequest
from flows.sweep_map.axes import Entry, Table, Written, Zip
from flows.sweep_map.draws import Draws, Normal, Uniform
from flows.sweep_map.form import parsed
from flows.sweep_map.lists import Listed
from flows.sweep_map.progressions import Linspace, Logspace, Range

_LIST = "a list, such as [1, 2, 3]"
_FORMS = f'{_LIST}, or one of {{"start":, "stop":, "step":}}, {{"linspace":}}, {{"logspace":}}, {{"random":}}, {{"random_file":}}'
_RESERVED = {
    "zip": 'groups of lists, such as {"zip": {"x": [1, 2], "y": [3, 4]}}',
    "table": 'points, such as {"table": {"columns": ["x", "y"], "rows": [[1, 3], [2, 4]]}}',
    "csv": 'the name of a file, such as {"csv": "points.csv"}',
}


def entry(key: str, written: object) -> Entry:
    """What stands at a key of the map."""
    match key:
        case "zip":
            return _zip(written)
        case "table":
            return _table(written)
        case "csv":
            raise InvalidRequest(_reserved(key))
        case _:
            return _named(key, written)


def object_of(written: object, otherwise: str) -> Mapping[str, Any]:
    """A JSON object; otherwise this is wrong."""
    if not isinstance(written, Mapping):
        raise InvalidRequest(otherwise)
    return {str(key): value for key, value in cast(Mapping[Any, Any], written).items()}


def _zip(written: object) -> Zip:
    if written == []:
        raise InvalidRequest(_reserved("zip"))
    several = isinstance(written, list)
    with AllAtOnce() as attempt:
        groups = [attempt(_group, group) or {} for group in (cast(list[object], written) if several else [written])]
    return Zip(groups if several else groups[0])


def _group(written: object) -> dict[str, Written]:
    members = object_of(written, _reserved("zip"))
    group: dict[str, Written] = {}
    with AllAtOnce() as attempt:
        for name, values in members.items():
            found = attempt(_named, name, values)
            if found is not None:
                group[name] = found
    sizes = {name: values.size() for name, values in group.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
        raise InvalidRequest(f"sweep: what zip takes together must have equally many values, but {told}")
    if not group:
        raise InvalidRequest(_reserved("zip"))
    return group


def _table(written: object) -> Table:
    table = parsed(Table, "table", object_of(written, _reserved("table")))
    with AllAtOnce() as attempt:
        for name in table.columns:
            attempt(_check, name)
    return table


def _named(name: str, written: object) -> Written:
    with AllAtOnce() as attempt:
        attempt(_check, name)
        values = attempt(_values, name, written)
    assert values is not None
    return values


def _check(name: str) -> None:
    if name in _RESERVED:
        raise InvalidRequest(_reserved(name))
    if not name.isidentifier():
        raise InvalidRequest(f"sweep: {name!r} can't be the name of a value; use letters, digits and _")


def _reserved(key: str) -> str:
    return f"sweep: {key} takes {_RESERVED[key]}; a value of that name needs another one"


def _values(name: str, written: object) -> Written:
    if isinstance(written, Mapping):
        return _form(name, cast(Mapping[str, Any], written))
    if isinstance(written, Sequence) and not isinstance(written, str | bytes):
        return parsed(Listed, name, list(cast(Sequence[Any], written)))
    hint = f"; write [{json.dumps(written)}]" if isinstance(written, str | int | float | None) else ""
    raise InvalidRequest(f"sweep: the values of {name!r} must be {_LIST}{hint}")


def _form(name: str, written: Mapping[str, Any]) -> Written:
    if "linspace" in written:
        return parsed(Linspace, name, written)
    if "logspace" in written:
        return parsed(Logspace, name, written)
    if "random" in written:
        drawn = object_of(written["random"], f'sweep: {name!r}: random must be an object, such as {{"count": 10, "seed": 42}}')
        return parsed(Draws, name, {**written, "random": parsed(_distribution(name, drawn), name, drawn)})
    if {"start", "stop", "step"} & set(written):
        return parsed(Range, name, written)
    raise InvalidRequest(f"sweep: the values of {name!r} must be {_FORMS}")


def _distribution(name: str, drawn: Mapping[str, Any]) -> type[Uniform] | type[Normal]:
    match drawn.get("distribution", "uniform"):
        case "uniform":
            return Uniform
        case "normal":
            return Normal
        case other:
            raise InvalidRequest(f"sweep: {name!r}: distribution must be 'uniform' or 'normal', not {other!r}")
