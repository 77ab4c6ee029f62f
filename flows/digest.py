"""Digests of trees: the same for the same names, modes and contents, in whatever order the entries come; times do not count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from blocks.block_reader import BlockReader
from blocks.host_file import HostFile
from blocks.tree import Entry

Checksums = dict[str, tuple[int, str]]  # the size in bytes and the SHA-256 in hexadecimal of each file, by its path


@dataclass(frozen=True, slots=True)
class Content:
    """What one entry of a tree held, a folder aside."""

    kind: Literal["file", "link"]
    target: str  # of a link
    size: int  # bytes
    sha256: str  # hexadecimal; of a link that of nothing


class Passing:
    """A stream of trees that goes on as it came, while what passes is digested, by the names at its top.

    Folders do not count, nor do modes: a storage may add to both. What is read back gives the same digest.
    """

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Content]] = {}

    def __call__(self, tree: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries, each of which must be read before the next is asked for."""
        for entry in tree:
            if entry.kind == "folder":
                yield entry
                continue
            name, _, inside = entry.path.partition("/")
            known = self._entries.setdefault(name, {})  # of two with one name the last, as in tar
            if isinstance(entry.content, HostFile):  # which may not pass here at all
                yield entry
                known[inside] = Content("file", "", entry.size, entry.content.sha256)
                continue
            passing = _Passing(entry)
            yield replace(entry, content=passing) if entry.kind == "file" else entry
            known[inside] = passing.content(entry)

    def of(self, name: str) -> str:
        """The digest of what passed below a name; that of nothing for an unknown one."""
        entries = self._entries.get(name, {})
        return _of(
            [_header(path, content.kind, content.target) + bytes.fromhex(content.sha256) for path, content in entries.items()]
        )

    def files(self, *names: str) -> Checksums:
        """The files that passed below these names, or below all, each by its whole path."""
        return {
            f"{name}/{inside}" if inside else name: (content.size, content.sha256)
            for name in names or self._entries
            for inside, content in self._entries.get(name, {}).items()
            if content.kind == "file"
        }


class _Passing(BlockReader):
    """The content of an entry on its way."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.blocks())
        self._hash = hashlib.sha256()
        self._size = 0

    def read(self, size: int, /) -> bytes:
        block = super().read(size)
        self._hash.update(block)
        self._size += len(block)
        return block

    def content(self, entry: Entry) -> Content:
        return Content("link" if entry.kind == "link" else "file", entry.target, self._size, self._hash.hexdigest())


def checksum(entry: Entry) -> tuple[int, str]:
    """The size and the SHA-256 of a file, which is read for it."""
    found, size = hashlib.sha256(), 0
    for block in entry.blocks():
        found.update(block)
        size += len(block)
    return size, found.hexdigest()


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
