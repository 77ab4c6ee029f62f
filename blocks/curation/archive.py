"""The files of an experiment as one zip, as a stream whose length is known before its first byte is made.

Repositories take one file of a known length more surely than thousands, or one without: what stands before them (nginx, uWSGI)
gives an empty body, or none at all, where there is no Content-Length. Files are stored, not deflated: so the length follows from
their names and sizes, and the same files make the same bytes everywhere, whatever zlib is there.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence

from blocks.curation.experiment import CuratedFile
from blocks.errors import CommandFailed
from blocks.tree import BLOCK

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can tell
_KINDS = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "link": stat.S_IFLNK}
_FOLDER = 0x10  # MS-DOS's directory attribute, beside the mode of Unix

# PKWARE's APPNOTE 6.3, sections 4.3.7 to 4.3.16 and 4.5.3; zipfile adds a descriptor to each file of a stream
_HEADER, _HEADER_64, _DESCRIPTOR, _DESCRIPTOR_64 = 30, 20, 16, 24
_CENTRAL, _EXTRA, _FIELD = 46, 4, 8
_END, _END_64 = 22, 56 + 20


Listed = tuple[str, int]  # a name in a zip, and the size in bytes


def listed(file: CuratedFile) -> Listed:
    """What an archive has to know of a file, or a folder or link, before. Its name has to be text."""
    return (f"{file.path}/" if file.kind == "folder" else file.path), file.size


class Archive:
    """One zip of files, folders and links with their permissions, which are read anew by each call of ``blocks``."""

    def __init__(self, listed: Sequence[Listed], files: Callable[[], Iterable[CuratedFile]]) -> None:
        """Plan it.

        Args:
            listed: what there is, in its order.
            files: the same, to be read.
        """
        self._listed = listed
        self._files = files

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return length(self._listed)

    def blocks(self) -> Iterator[bytes]:
        """Its bytes.

        Raises:
            CommandFailed: the files are no longer those that were listed.
        """
        pipe = _Pipe()
        with zipfile.ZipFile(pipe, "w") as archive:
            awaited = iter(self._listed)
            for file in self._files():
                if next(awaited, None) != listed(file):
                    raise _changed(file.path)
                with archive.open(_member(file), "w") as member:
                    left = file.size
                    for block in file.content():
                        member.write(block)
                        left -= len(block)
                        yield from pipe.full()
                if left:
                    raise _changed(file.path)
            if next(awaited, None) is not None:
                raise CommandFailed("a file was removed while the others were read; try again when nothing writes there")
        yield pipe.rest()


def length(files: Iterable[Listed]) -> int:
    """The length in bytes of the zip of these."""
    limit = zipfile.ZIP64_LIMIT
    count = offset = directory = 0
    for path, size in files:
        name = len(path.encode())
        is_large = size * 1.05 > limit  # as zipfile decides before it has seen the content
        fields = 2 * (size > limit) + (offset > limit)
        directory += _CENTRAL + name + (_EXTRA + fields * _FIELD if fields else 0)
        offset += _HEADER + name + size + (_HEADER_64 + _DESCRIPTOR_64 if is_large else _DESCRIPTOR)
        count += 1
    is_long = count > zipfile.ZIP_FILECOUNT_LIMIT or max(offset, directory) > limit
    return offset + directory + _END + (_END_64 if is_long else 0)


def _member(file: CuratedFile) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(listed(file)[0], EPOCH)
    info.external_attr = (_KINDS[file.kind] | file.mode & 0o777) << 16 | (_FOLDER if file.kind == "folder" else 0)
    info.file_size = file.size
    return info


def _changed(path: str) -> CommandFailed:
    return CommandFailed(f"{path} changed while it was read; try again when nothing writes there")


class _Pipe:
    """What zipfile writes into, and the stream takes out in blocks; a zip so written needs no seeking."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._waiting = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._waiting += len(data)
        return len(data)

    def flush(self) -> None:
        """There is nothing below it."""

    def close(self) -> None:
        """There is nothing to be closed."""

    def full(self) -> Iterator[bytes]:
        """What waits, if it is worth a block."""
        if self._waiting >= BLOCK:
            yield self.rest()

    def rest(self) -> bytes:
        """What waits."""
        waiting = b"".join(self._parts)
        self._parts, self._waiting = [], 0
        return waiting
