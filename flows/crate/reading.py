"""A crate that somebody has: what its metadata says is in it, and what was asked for in the run that it came of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from blocks.errors import InvalidRequest, NotFound
from blocks.storage.resource import StorageResource, joined
from blocks.tree import Entry, file
from flows.crate import CRATE, METADATA
from flows.crate.entities import path_of
from flows.digest import checksum
from flows.request import RunRequest, SweepRequest

RECORD = "run.json"


@dataclass(frozen=True)
class Crate:
    """The crate in a folder of a storage."""

    storage: StorageResource
    folder: str
    entities: Mapping[str, Mapping[str, Any]]  # by their identifiers
    origin: str = ""  # where people have it, when it is only for a moment where it is

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return self.origin or self.storage.describe(self.folder)

    @cached_property
    def files(self) -> dict[str, tuple[int | None, str]]:
        """The files that it lists, by path: the size and the SHA-256, which crates of others may not have."""
        return {
            path_of(name).removeprefix("./"): (_number(entity.get("contentSize")), str(entity.get("sha256") or "").lower())
            for name, entity in self.entities.items()
            if "File" in _several(entity.get("@type")) and ":" not in name and not name.startswith("#")
        }

    def within(self, folder: str) -> dict[str, tuple[int | None, str]]:
        """The files of one of its folders at the top, by their paths in there."""
        return {path.removeprefix(f"{folder}/"): known for path, known in self.files.items() if path.startswith(f"{folder}/")}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Folders whose files are those of another, with the other."""
        named = {name: _references(entity.get("sameAs")) for name, entity in self.entities.items() if name.endswith("/")}
        return {_path(name): _path(others[0]) for name, others in named.items() if others}

    @cached_property
    def runs(self) -> dict[int, str]:
        """Of a sweep's, the folders of its runs by the number of their point."""
        return {
            number: _path(name)
            for name, entity in self.entities.items()
            if any(each.startswith(CRATE) for each in _references(entity.get("conformsTo")))
            and name.endswith("/")
            and (number := _number(entity.get("position"))) is not None
        }

    def run(self, folder: str) -> Crate:
        """The crate of one of the runs. Raises InvalidRequest: there is none."""
        return opened(self.storage, joined(self.folder, folder))

    @property
    def connector(self) -> str:
        """The name of its connector. Raises as ``request``."""
        return self.request.run.connector if isinstance(self.request, SweepRequest) else self.request.connector

    @property
    def run_id(self) -> str:
        """The id of the run that it came of. Raises as ``request``."""
        return str(self._record.get("run_id"))

    @cached_property
    def request(self) -> RunRequest | SweepRequest:
        """What was asked for.

        Raises:
            InvalidRequest: the crate does not say so, or not any more.
        """
        try:
            asked = self._record["request"]
            return (SweepRequest if "run" in asked else RunRequest).model_validate(asked)
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequest(f"{RECORD} in {self.name} is not one of this version of Chiminey") from error

    @cached_property
    def _record(self) -> Mapping[str, Any]:
        try:
            content = self.storage.read(joined(self.folder, RECORD))
        except NotFound as error:
            raise InvalidRequest(f"{self.name} has no {RECORD}, in which Chiminey says what was asked for") from error
        known = self.files.get(RECORD)
        if known is None or not is_as(file(RECORD, content), known):
            raise InvalidRequest(f"{RECORD} in {self.name} is not as the crate says; 'chiminey verify' tells what else changed")
        try:
            return dict(json.loads(content))
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidRequest(f"{RECORD} in {self.name} is not one of this version of Chiminey") from error


def is_as(entry: Entry, known: tuple[int | None, str]) -> bool:
    """Whether a file is what a crate knows of it, as far as it knows something. Raises as ``Entry.blocks``."""
    size, sha256 = known
    if size is not None and size != entry.size:
        return False
    return not sha256 or checksum(entry)[1] == sha256


def shown(name: str) -> str:
    """A name out of a crate, for a terminal: one that could forge lines or move the cursor there is quoted, with escapes."""
    return name if name.isprintable() else repr(name)


def opened(storage: StorageResource, folder: str) -> Crate:
    """The crate in a folder.

    Raises:
        InvalidRequest: there is none, or it can't be read.
    """
    place = joined(folder, METADATA)
    try:
        document: object = json.loads(storage.read(place))
        entities = cast(dict[str, list[dict[str, Any]]], document)["@graph"]
        return Crate(storage, folder, {_identifier(entity): entity for entity in entities})
    except NotFound as error:
        raise InvalidRequest(f"{storage.describe(folder)} is no crate, for it has no {METADATA}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRequest(f"{storage.describe(place)} is no metadata of an RO-Crate: {error}") from error


def _identifier(entity: Mapping[str, Any]) -> str:
    """Its identifier. Raises KeyError, TypeError or ValueError: it has none that is text."""
    name: object = entity["@id"]
    if not isinstance(name, str):
        raise TypeError(f"an identifier is {name!r}")
    name.encode()
    return name


def _references(given: Any) -> list[str]:
    """The identifiers of what a property refers to, which in crates of others may be anything."""
    named = [cast(dict[str, Any], each).get("@id") for each in _several(given) if isinstance(each, dict)]
    return [each for each in named if isinstance(each, str)]


def _several(given: Any) -> list[Any]:
    return cast(list[Any], given) if isinstance(given, list) else [] if given is None else [given]


def _number(text: Any) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,20}", str(text)) else None


def _path(name: str) -> str:
    return path_of(name).removesuffix("/")
