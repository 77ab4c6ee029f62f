"""The files that a connector is made of: what is kept beside the results, so that a stranger can repeat the run."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

from blocks.tree import Entry, walk
from flows.connector import SmartConnector

PYTHON = "connector.py"
DECLARATION = "connector.toml"
FOLDER = "connector"  # in the output location
PAYLOAD = "payload"


def tree(connector: SmartConnector) -> Iterator[Entry]:
    """The files beside its declaration, its Python packages, the ``files`` that it names, and its payload.

    Not its example input, nor other folders: somebody who stands in the connector's folder has results there. Of a connector that
    shares its folder with anything, of all that is beside it only the file that declares it.
    """
    known: set[str] = set()
    for entry in _parts(connector):
        if entry.path not in known:
            known.add(entry.path)
            yield entry


def _parts(connector: SmartConnector) -> Iterator[Entry]:
    """The same, some of it more than once."""
    folder, payload = connector.folder, connector.payload_folder
    if not is_apart(connector):
        if (path := folder / declared_in(connector)).is_file():
            yield _file(path, path.name)
    elif folder.is_dir():
        yield from _beside(connector)
    for name in filter(None, (within(folder, given) for given in connector.files)):
        path = folder / name
        yield from _source(path, name) if path.is_dir() else [_file(path, name)]
    if payload is not None:
        yield from _source(payload, payload_path(connector))


def _beside(connector: SmartConnector) -> Iterator[Entry]:
    """The files at the top of its own folder, and the folders there that Python can import from."""
    folder = connector.folder
    others = {within(folder, given) for given in (connector.payload, connector.example_input) if given is not None}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield _file(path, path.name)
        elif path.name not in others and any(path.glob("*.py")):
            yield from _source(path, path.name)


def is_apart(connector: SmartConnector) -> bool:
    """Whether it has a folder of its own."""
    return any((connector.folder / name).is_file() for name in (PYTHON, DECLARATION))


def declared_in(connector: SmartConnector) -> str:
    """The name of the file that declares it; empty for one that was typed into an interpreter."""
    for name in (PYTHON, DECLARATION):
        if (connector.folder / name).is_file():
            return name
    try:
        return Path(inspect.getfile(type(connector))).name
    except (OSError, TypeError):
        return ""


def payload_path(connector: SmartConnector) -> str:
    """Where its payload is among these files; empty when it has none."""
    payload = connector.payload_folder
    if payload is None:
        return ""
    return (is_apart(connector) and within(connector.folder, payload)) or PAYLOAD


def within(folder: Path, given: Path | str) -> str:
    """A path, relative to a folder or whole, as it is called from there, wherever links lead; empty for what is not in there."""
    name = os.path.relpath(folder / given, folder)
    return "" if name.split("/")[0] in (".", "..") else name


def _file(path: Path, name: str) -> Entry:
    status = path.stat()
    return Entry(name, "file", status.st_mode & 0o777, status.st_mtime, status.st_size, path)


def _source(folder: Path, name: str) -> Iterator[Entry]:
    return (entry.under(name) for entry in walk(folder) if "__pycache__" not in entry.path.split("/"))
