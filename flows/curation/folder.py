"""The folder of a run, or of a sweep, as it is deposited: all that is in it, and what has two names there once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from posixpath import dirname, join, normpath, relpath

from blocks.curation.experiment import CuratedFile
from blocks.errors import InvalidRequest
from blocks.storage.resource import StorageResource, joined
from blocks.tree import Entry
from flows import references
from flows.crate import METADATA
from flows.crate.reading import Crate, opened
from flows.curation.files import everything, link
from flows.ledger import RunRecord


class ResultsFolder:
    """A folder of results in a storage."""

    def __init__(self, storage: StorageResource, path: str) -> None:
        self.storage = storage
        self.path = path

    @cached_property
    def crate(self) -> Crate | None:
        """Its crate, if it has one.

        Raises:
            InvalidRequest: it can't be read.
        """
        return opened(self.storage, self.path) if self.storage.exists(joined(self.path, METADATA)) else None

    def files(self) -> Iterator[CuratedFile]:
        """Everything but links that lead out of it; a folder that has nothing but what is in another one is a link to that."""
        for each in everything(self.storage, self.path):
            parts = each.path.split("/")
            if each.path in self._second_names:
                yield link(each.path, relpath(self._second_names[each.path], dirname(each.path) or "."))
            elif self._second_names.keys().isdisjoint(accumulate(parts, "{}/{}".format)) and not _leads_out(each):
                yield each

    @cached_property
    def _second_names(self) -> dict[str, str]:
        """Folders that hold what another one holds, as the crate says, and nothing that somebody has put there since."""
        return {name: other for name, other in self._told_of() if self._is_in(name, other)}

    def _told_of(self) -> Iterator[tuple[str, str]]:
        if self.crate is None:
            return
        yield from self.crate.aliases.items()
        for folder in self.crate.runs.values():
            try:
                aliases = self.crate.run(folder).aliases
            except InvalidRequest:  # it has no crate, and so nothing says what is what
                continue
            for name, other in aliases.items():
                yield joined(folder, name), joined(folder, other)

    def _is_in(self, name: str, other: str) -> bool:
        if not all(self.storage.exists(joined(self.path, each)) for each in (name, other)):
            return False
        there = self._listed(other)
        return all(
            each.path in there and self._is_same(each, f"{name}/{each.path}", there[each.path], f"{other}/{each.path}")
            for each in self._listed(name).values()
        )

    def _listed(self, folder: str) -> dict[str, Entry]:
        """What is in a folder, by its path there, without the contents."""
        return {entry.path: replace(entry, content=b"") for entry in self.storage.tree(joined(self.path, folder))}

    def _is_same(self, first: Entry, place: str, second: Entry, other: str) -> bool:
        """Whether two entries are the same; files of one size and time are not read for it."""
        if (first.kind, first.size, first.target) != (second.kind, second.size, second.target):
            return False
        return first.kind != "file" or first.modified == second.modified or self._sum(place) == self._sum(other)

    def _sum(self, path: str) -> str:
        digest = sha256()
        for block in self.storage.blocks(joined(self.path, path)):
            digest.update(block)
        return digest.hexdigest()


def _leads_out(file: CuratedFile) -> bool:
    """Whether it is a link of no use to who has but the folder, perhaps under another name."""
    if file.kind != "link":
        return False
    target = os.fsdecode(b"".join(file.content()))
    return target.startswith("/") or normpath(join(dirname(file.path), target)).split("/")[0] == ".."


def of(record: RunRecord) -> ResultsFolder:
    """The one of a run, or of a sweep. Raises NotFound: its storage is no longer saved."""
    return ResultsFolder(*references.results(record))
