"""Digests of trees: the same for the same names, modes and contents, in whatever order the entries come; times do not count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from blocks.tree import Entry


class Passing:
    """A stream of trees that goes on as it came, while a digest is taken of each name at its top.

    Folders do not count, nor do modes: a storage may add to both. What is read back gives the same digest.
    """

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, _Content]] = {}

    def __call__(self, tree: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries; a digest is complete when all have been read."""
        for entry in tree:
            if entry.kind == "folder":
                yield entry
                continue
            content = _Content(entry)
            name, _, inside = entry.path.partition("/")
            self._entries.setdefault(name, {})[inside] = content  # of two with one name the last counts, as in tar
            yield replace(entry, content=content) if entry.kind == "file" else entry

    def of(self, name: str) -> str:
        """The digest of what passed below a name; that of nothing for an unknown one."""
        entries = self._entries.get(name, {})
        return _of([_header(path, content.kind, content.target) + content.digest() for path, content in entries.items()])


class _Content:
    """The content of an entry on its way."""

    def __init__(self, entry: Entry) -> None:
        self.kind, self.target = entry.kind, entry.target
        self._blocks = entry.blocks()
        self._rest = b""
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        block = self._rest or next(self._blocks, b"")
        block, self._rest = block[:size], block[size:]
        self._hash.update(block)
        return block

    def digest(self) -> bytes:
        return self._hash.digest()


def of_tree(tree: Iterable[Entry]) -> str:
    """The digest of a whole tree, which is read for it, with the modes and folders in it."""
    found: list[bytes] = []
    for entry in tree:
        content = hashlib.sha256()
        for block in entry.blocks() if entry.kind == "file" else ():
            content.update(block)
        found.append(_header(entry.path, entry.kind, entry.target, entry.mode) + content.digest())
    return _of(found)


def _header(*fields: str | int) -> bytes:
    """Fields in a form that no other fields have, each of them in its place."""
    return hashlib.sha256(json.dumps(fields).encode()).digest()


def _of(entries: list[bytes]) -> str:
    return hashlib.sha256(b"".join(sorted(entries))).hexdigest()
