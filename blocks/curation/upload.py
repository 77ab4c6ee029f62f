"""The content of a file as httpx sends it in a form: of a known length, and from its start as often as it is asked for."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from blocks.curation.experiment import CuratedFile

IN_MEMORY = 4 * 1024 * 1024  # bytes; a larger file is read once for its checksum, and once more to be sent


class Upload(io.RawIOBase):
    """A stream over a content. What a repository gets is never longer than it was told."""

    def __init__(self, size: int, content: Callable[[], Iterator[bytes]]) -> None:
        self._size = size
        self._content = content
        self._blocks: Iterator[bytes] = iter(())
        self._block = memoryview(b"")
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """To the start, or to the end, which is how httpx learns the length."""
        self._position = self._size if whence == os.SEEK_END else 0
        if offset or whence == os.SEEK_CUR:
            raise io.UnsupportedOperation("it is read from its start")
        if whence == os.SEEK_SET:
            self._blocks, self._block = self._content(), memoryview(b"")
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        while not self._block:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._block = memoryview(block)
        count = min(len(buffer), len(self._block), self._size - self._position)
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        self._position += count
        return count


def with_checksum(file: CuratedFile) -> tuple[CuratedFile, str]:
    """The file and its MD5, as repositories have it; a small one's content is then kept, so that it is read only once."""
    digest = hashlib.md5(usedforsecurity=False)
    if file.size <= IN_MEMORY:
        content = b"".join(file.content())
        digest.update(content)
        return replace(file, content=lambda: iter([content])), digest.hexdigest()
    for block in file.content():
        digest.update(block)
    return file, digest.hexdigest()
