"""Finding connectors: in this package, in the folders of ``CHIMINEY_PATH``, and in other installed packages.

A connector that is broken is told about and left out; the others are not affected. Nothing here imports Prefect.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from blocks.errors import InvalidRequest
from connectors import folder as connector_folder
from connectors.checks import problems
from connectors.folder import Unloadable, is_connector
from flows import SmartConnector

PATH = "CHIMINEY_PATH"  # folders of connectors, or connector folders, separated like those of PATH
GROUP = "chiminey.connectors"  # of entry points

_Load = Callable[[], SmartConnector]


@dataclass(frozen=True)
class Broken:
    """A connector that can't be used."""

    name: str
    file: str  # that declares it; of an entry point that leads to no file: what it names
    reason: str  # one sentence, with the line where it is known

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} ({self.file}): {self.reason}"


@dataclass(frozen=True)
class Catalogue:
    """Every connector that was found."""

    connectors: dict[str, SmartConnector] = field(default_factory=dict[str, SmartConnector])  # sorted by name
    broken: list[Broken] = field(default_factory=list[Broken])


def catalogue() -> Catalogue:
    """Every connector that can be found now. Of several with one name the first stays: this package's own come first."""
    found = Catalogue()
    for name, path, load_it in _candidates():
        usable = _usable(name, path, load_it)
        if isinstance(usable, Broken):
            found.broken.append(usable)
        elif taken := _taken(usable, found):
            found.broken.append(Broken(usable.name, path or str(connector_folder.declaring_file(usable.folder)), taken))
        else:
            found.connectors[usable.name] = usable
    return Catalogue(dict(sorted(found.connectors.items())), found.broken)


def _usable(name: str, path: str, load_it: _Load, *, of_a_run: bool = False) -> SmartConnector | Broken:
    try:
        with redirect_stdout(sys.stderr):  # what it prints is not our answer
            connector = load_it()
        wrong = problems(connector, of_a_run=of_a_run)
    except Unloadable as error:
        return Broken(name, error.path, error.reason)
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a connector is foreign code, and must not take the others down
        told = connector_folder.told(error, None)
        return Broken(name, path or told.path, told.reason)
    if not wrong:
        return connector
    where = path or str(connector_folder.declaring_file(connector.folder))
    return Broken(str(getattr(connector, "name", name)), where, "; ".join(wrong))


def load_again(name: str, folder: str) -> SmartConnector:
    """The connector of a run: from the folder where it was when the run began, or by its name if that folder is gone.

    Raises:
        InvalidRequest: there is none, or it is broken.
    """
    known = catalogue().connectors.get(name)
    if not folder or not is_connector(Path(folder)) or (known is not None and str(known.folder) == folder):
        return load(name)
    usable = of_run(Path(folder), f"the connector {name}")
    return usable if usable.name == name else load(name)


def of_run(folder: Path, described: str) -> SmartConnector:
    """The connector in a folder, for a run that was begun with it and has its input.

    Raises:
        InvalidRequest: it is broken, and is called as ``described``.
    """
    usable = _usable(*_in_folder(folder), of_a_run=True)
    if isinstance(usable, Broken):
        raise InvalidRequest(f"{described} can't be used: {usable.file}: {usable.reason}")
    return usable


def load(name: str) -> SmartConnector:
    """The connector of a name.

    Raises:
        InvalidRequest: there is none, or it is broken.
    """
    found = catalogue()
    if name in found.connectors:
        return found.connectors[name]
    broken = [each for each in found.broken if each.name == name]
    if broken:
        raise InvalidRequest(*(f"the connector {name} can't be used: {each.file}: {each.reason}" for each in broken))
    close = get_close_matches(name, found.connectors)
    advice = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(found.connectors)}"
    raise InvalidRequest(f"there is no connector {name!r}; {advice}")


def attribute(name: str) -> str:
    """A connector's name as Python and Prefect entrypoints write it."""
    return name.replace("-", "_")


def _taken(connector: SmartConnector, found: Catalogue) -> str:
    for other in found.connectors.values():
        if attribute(other.name) == attribute(connector.name):
            return f"the name {connector.name} is already taken by the connector {other.name} in {other.folder}; choose another"
    return ""


def _candidates() -> Iterator[tuple[str, str, _Load]]:
    """Names, files and how to load them; an empty file name where it is known only afterwards."""
    here = Path(__file__).parent
    for folder in _connector_folders(here):
        yield _in_folder(folder, f"{__package__}.{folder.name}.connector")
    for entry in filter(None, os.environ.get(PATH, "").split(os.pathsep)):
        try:
            folders = _connector_folders(Path(entry).expanduser().resolve())
        except PermissionError:
            yield _unusable(Path(entry), "it can't be read: permission denied")
            continue
        yield from map(_in_folder, folders)
        if not folders:
            yield _unusable(Path(entry), "neither it nor a folder in it has a connector.py or connector.toml")
    for point in sorted(importlib.metadata.entry_points(group=GROUP)):
        yield point.name, "", lambda point=point: _of_entry_point(point)


def _connector_folders(folder: Path) -> list[Path]:
    if is_connector(folder):
        return [folder]
    if not folder.is_dir():
        return []
    return [each for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".") and is_connector(each)]


def _in_folder(folder: Path, module: str | None = None) -> tuple[str, str, _Load]:
    return folder.name, str(connector_folder.declaring_file(folder)), lambda: connector_folder.read(folder, module)


def _unusable(folder: Path, why: str) -> tuple[str, str, _Load]:
    def refuse() -> SmartConnector:
        raise Unloadable(str(folder), f"{PATH} names this folder, but {why}")

    return folder.name, str(folder), refuse


def _of_entry_point(point: importlib.metadata.EntryPoint) -> SmartConnector:
    try:
        given: Any = point.load()
    except (ModuleNotFoundError, AttributeError) as error:
        raise Unloadable(point.value, f"the entry point {point.name} of {GROUP} can't be loaded: {error}") from error
    if isinstance(given, SmartConnector):
        return given
    if isinstance(given, type) and issubclass(given, SmartConnector):
        return connector_folder.instance(given)
    if isinstance(given, ModuleType) and given.__file__:
        given = Path(given.__file__).parent
    if isinstance(given, str | Path) and is_connector(Path(given)):
        return connector_folder.read(Path(given).resolve())
    raise Unloadable(point.value, f"the entry point {point.name} of {GROUP} must name a SmartConnector or the folder of one")
