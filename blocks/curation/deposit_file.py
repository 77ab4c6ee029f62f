"""What a deposit sends: files whose checksum is taken as they pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from blocks.errors import CommandFailed

Blocks = Callable[[], Iterator[bytes]]

MD5 = "md5"  # which repositories tell of what they have


class DepositFile:
    """A file to be sent: its name in the repository, its size in bytes, and its content, anew each time it is asked for."""

    def __init__(self, name: str, size: int, media_type: str, blocks: Blocks) -> None:
        self.name = name
        self.size = size
        self.media_type = media_type
        self._blocks = blocks
        self._checksums: dict[str, str] = {}

    def blocks(self) -> Iterator[bytes]:
        """The content, whose checksum is known when it has passed."""
        digest = hashlib.md5(usedforsecurity=False)
        for block in self._blocks():
            digest.update(block)
            yield block
        self._checksums[MD5] = digest.hexdigest()

    def has(self, checksum: str) -> bool:
        """Whether this is its checksum, ``<algorithm>:<hexadecimal digits>``; read for that, unless it has passed already.

        Raises:
            CommandFailed: nobody here can reckon such a one.
        """
        algorithm, _, digits = str(checksum).partition(":")
        if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):  # whose length is not told
            raise CommandFailed(
                f"the repository has {checksum!r} as the checksum of {self.name}, which can't be compared here; see in the draft "
                "whether its size is right"
            )
        if algorithm not in self._checksums:
            digest = hashlib.new(algorithm, usedforsecurity=False)
            for block in self._blocks():
                digest.update(block)
            self._checksums[algorithm] = digest.hexdigest()
        return self._checksums[algorithm] == digits.lower()
