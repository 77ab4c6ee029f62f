"""The input folder of an iteration: each of its sub-folders is a start point, from which tasks begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from blocks.errors import InvalidRequest, NotFound
from blocks.storage.resource import StorageResource, joined
from blocks.tree import Entry
from flows.run_folder import VALUES
from flows.templates import SUFFIX, TemplateProblem, Templates, rendered_name


@dataclass(frozen=True)
class StartPoint:
    """One sub-folder of the input: its values (with those of the input's top below them) and its templates."""

    number: int
    name: str
    folder: str  # in the storage
    values: dict[str, Any]
    templates: Templates
    shadowed: frozenset[str]  # files that are delivered with each task, not with the folder

    def files(self, storage: StorageResource) -> Iterator[Entry]:
        """What every task of this start point gets alike, raw templates included."""
        return (entry for entry in storage.tree(self.folder) if entry.path not in self.shadowed)


def read(storage: StorageResource, folder: str) -> list[StartPoint]:
    """The start points below a folder, by name.

    Raises:
        InvalidRequest: there is none, or a ``values`` file or a template can't be read; all of it at once.
    """
    problems: list[str] = []
    top: dict[str, Any] = {}
    values: dict[str, dict[str, Any]] = {}
    templates: dict[str, dict[str, bytes]] = {}
    try:
        for entry in storage.tree(folder):
            name, _, inside = entry.path.partition("/")
            if entry.path == VALUES and entry.kind == "file":
                top = _values(storage.describe(joined(folder, entry.path)), entry, problems)
            elif name.startswith("."):
                continue
            elif entry.kind == "link" and (not inside or inside == VALUES or inside.endswith(SUFFIX)):
                problems.append(
                    f"{storage.describe(joined(folder, entry.path))} is a symbolic link, which is not followed here; "
                    "put a copy of what it leads to in its place"
                )
            elif entry.kind == "folder" and not inside:
                values[name], templates[name] = {}, {}
            elif entry.kind == "file" and inside == VALUES:
                values[name] = _values(storage.describe(joined(folder, entry.path)), entry, problems)
            elif entry.kind == "file" and inside.endswith(SUFFIX):
                templates[name][inside] = b"".join(entry.blocks())
    except NotFound as error:
        raise InvalidRequest(f"the input folder {storage.describe(folder)} does not exist") from error
    points: list[StartPoint] = []
    for number, name in enumerate(values):
        try:
            compiled = Templates(templates[name], name)
        except TemplateProblem as error:
            problems.append(str(error))
            continue
        shadowed = frozenset({VALUES, *map(rendered_name, templates[name])})
        points.append(StartPoint(number, name, joined(folder, name), top | values[name], compiled, shadowed))
    if not values:
        problems.append(
            f"the input folder {storage.describe(folder)} has no sub-folder; put the input files into one, such as 'initial'"
        )
    if problems:
        raise InvalidRequest(*problems)
    return points


def _values(place: str, entry: Entry, problems: list[str]) -> dict[str, Any]:
    try:
        values: object = json.loads(b"".join(entry.blocks()))
    except ValueError as error:
        problems.append(f"{place} is not JSON: {error}")
        return {}
    if not isinstance(values, dict):
        problems.append(f'{place} must be a JSON object, such as {{"npart": 100}}')
        return {}
    return cast(dict[str, Any], values)
