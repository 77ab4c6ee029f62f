"""Blocks of bytes, as something to read from."""

from __future__ import annotations

from collections.abc import Iterator


class BlockReader:
    """What :class:`~blocks.tree.Readable` asks for, made of blocks of any size. An empty block ends it, as their end does."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block: bytes = b""
        self._used = 0

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        if self._used == len(self._block):
            self._block, self._used = next(self._blocks, b""), 0
        part = self._block[self._used : self._used + size]
        self._used += len(part)
        return part
