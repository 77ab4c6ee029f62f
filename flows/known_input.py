"""A large file of an input on its way to a host, which must be what it was when it was brought to the run's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from blocks.errors import CommandFailed
from blocks.host_file import StoredFile
from blocks.tree import Entry


def of(entry: Entry, path: str, known: Mapping[str, tuple[int, str]]) -> Entry:
    """The entry at a path of the run's folder, of whose files the sizes and SHA-256s are known; small ones stay as they are."""
    if path not in known or not isinstance(entry.content, StoredFile):
        return entry
    return replace(entry, content=KnownInput(entry.content, path, *known[path]))


class KnownInput(StoredFile):
    """The file as it comes through this machine, or from where its host fetches it, with the SHA-256 that it must have."""

    def __init__(self, file: StoredFile, path: str, size: int, sha256: str) -> None:
        self.sha256 = sha256
        self._file = file
        self._path = path
        self._left = size
        self._hash = hashlib.sha256()

    def signed(self) -> str | None:
        return self._file.signed()

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end.

        Raises:
            CommandFailed: all has come, and it is another file.
        """
        block = self._file.read(size)
        self._hash.update(block)
        self._left -= len(block)
        if not self._left and self._hash.hexdigest() != self.sha256:
            raise CommandFailed(f"{self._path} is not as it was when the run began; put back what was there, or begin a new run")
        return block
