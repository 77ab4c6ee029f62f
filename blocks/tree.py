"""Trees of files as streams: the one form in which files travel between storage, controller and hosts.

A tree is an iterator of :class:`Entry`. :func:`pack` turns it into the bytes of one tar stream and :func:`unpack` turns
such bytes back, both as they are read: nothing is kept in memory but one block, and no temporary archive is written.
"""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, Protocol, cast

from blocks.errors import CommandFailed

BLOCK = 256 * 1024


class Readable(Protocol):
    """What :func:`unpack` needs of its source."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or symbolic link of a tree.

    ``content`` of a file is bytes (small files), a path of this machine, or an open binary stream positioned at its start that
    gives exactly ``size`` bytes; a stream must be read before the next entry is asked for.
    """

    path: str  # relative, with "/" between parts, never empty
    kind: Literal["file", "folder", "link"]
    mode: int = 0o644
    modified: float = 0.0  # seconds since the epoch
    size: int = 0  # bytes
    content: bytes | Path | BinaryIO | Readable = b""
    target: str = ""  # of a link

    def under(self, folder: str) -> Entry:
        """The same entry, one floor deeper."""
        return self.at(f"{folder}/{self.path}")

    def at(self, path: str) -> Entry:
        """The same entry, somewhere else in its tree."""
        return replace(self, path=path)

    def blocks(self) -> Iterator[bytes]:
        """The content of a file, a block at a time.

        Raises:
            CommandFailed: the source gave fewer bytes than promised (a file that shrank, a broken connection), or can't be read.
        """
        if isinstance(self.content, bytes):
            yield self.content
            return
        if isinstance(self.content, Path):
            try:
                with self.content.open("rb") as source:
                    yield from self._counted(source)
            except OSError as error:
                raise unreadable(self.content, error) from error
        else:
            yield from self._counted(self.content)

    def pieces(self, size: int) -> Iterator[bytes]:
        """The content of a file, so many bytes at a time; the last piece is what is left.

        Raises:
            CommandFailed: as :meth:`blocks` does.
        """
        waiting, missing = list[memoryview](), size
        for block in self.blocks():
            left = memoryview(block)
            while len(left) >= missing:
                yield b"".join((*waiting, left[:missing]))
                left, waiting, missing = left[missing:], [], size
            if left:
                waiting.append(left)
                missing -= len(left)
        if waiting:
            yield b"".join(waiting)

    def _counted(self, source: Readable) -> Iterator[bytes]:
        left = self.size
        while left:
            block = source.read(min(BLOCK, left))
            if not block:
                raise CommandFailed(f"{self.path} ended {left} bytes early; it changed while it was read")
            left -= len(block)
            yield block


def unreadable(path: Path, error: OSError) -> CommandFailed:
    """The sentence about a file of this machine that is gone, or whose disk or owner does not let it be read."""
    return CommandFailed(f"{path} can't be read: {error.strerror}; please check that it is there, and that you may read it.")


def file(path: str, content: bytes, mode: int = 0o644) -> Entry:
    """A small file that exists only in memory."""
    return Entry(path, "file", mode, 0.0, len(content), content)


def folder(path: str) -> Entry:
    """An empty folder."""
    return Entry(path, "folder", 0o755)


def walk(root: Path) -> Iterator[Entry]:
    """The tree below a folder of this machine, in sorted order, without the folder itself."""
    for path in sorted(root.iterdir()):
        yield from _walk(path, path.name)


def _walk(path: Path, name: str) -> Iterator[Entry]:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        yield Entry(name, "link", mode, status.st_mtime, target=str(path.readlink()))
    elif stat.S_ISDIR(status.st_mode):
        yield Entry(name, "folder", mode, status.st_mtime)
        for child in sorted(path.iterdir()):
            yield from _walk(child, f"{name}/{child.name}")
    elif stat.S_ISREG(status.st_mode):
        yield Entry(name, "file", mode, status.st_mtime, status.st_size, path)


_KINDS = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}
_PADDING = bytes(tarfile.BLOCKSIZE)
END = 2 * _PADDING  # of a tar stream


def pack(tree: Iterable[Entry]) -> Iterator[bytes]:
    """The tree as the blocks of one tar stream (GNU format: long names and UTF-8 survive every tar)."""
    small: list[bytes] = []
    waiting = 0
    for entry in tree:
        for block in member(entry):
            small.append(block)
            waiting += len(block)
            if waiting >= BLOCK:
                yield b"".join(small)
                small, waiting = [], 0
    small.append(END)
    yield b"".join(small)


def member(entry: Entry) -> Iterator[bytes]:
    """One entry of a tar stream, which ends with :data:`END`."""
    info = tarfile.TarInfo(entry.path)
    info.type = _KINDS[entry.kind]
    info.mode, info.mtime, info.size, info.linkname = entry.mode, int(entry.modified), entry.size, entry.target
    yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    yield from entry.blocks()
    yield _PADDING[: -entry.size % tarfile.BLOCKSIZE]


def unpack(source: Readable) -> Iterator[Entry]:
    """The entries of a tar stream, as they arrive.

    Raises:
        CommandFailed: the stream is cut short, a member would escape its folder, or is a second name of an earlier file, which
            has been passed on.
    """
    try:
        with tarfile.open(
            fileobj=_Blocks(source), mode="r|", bufsize=BLOCK, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for member in archive:
                entry = _entry(archive, member)
                cast(Any, archive).members.clear()  # it keeps every member otherwise
                if entry is not None:
                    yield entry
    except tarfile.TarError as error:
        raise CommandFailed(f"the stream of files was cut short or damaged ({error})") from error


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry | None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise CommandFailed(f"refused the file {member.name!r}: it would be written outside its folder")
    name = str(path)
    if name == ".":
        return None
    if member.isdir():
        return Entry(name, "folder", member.mode, member.mtime)
    if member.issym():
        return Entry(name, "link", member.mode, member.mtime, target=member.linkname)
    if member.islnk():
        raise CommandFailed(f"{member.name!r} came as another name of the file {member.linkname!r}; please copy it instead.")
    if not member.isfile():  # a device, a socket
        return None
    content = archive.extractfile(member)
    return Entry(name, "file", member.mode, member.mtime, member.size, content if content is not None else b"")


class _Blocks(io.RawIOBase):
    """A source whose ``read`` may give fewer bytes than asked, as one that gives them all, as tarfile expects."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        while size > 0:
            part = self._source.read(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
