"""Blocks of bytes, as something to read from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.block_reader import BlockReader


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_is_read_is_what_the_blocks_held_however_much_is_asked_for(size: int) -> None:
    reader = BlockReader(iter([b"abc", b"d", b"efghi"]))
    read = list(iter(lambda: reader.read(size), b""))
    assert b"".join(read) == b"abcdefghi"
    assert all(len(part) <= size for part in read)


def test_no_block_is_asked_for_before_the_last_one_was_read() -> None:
    asked: list[str] = []

    def blocks() -> Iterator[bytes]:
        for block in (b"ab", b"c"):
            asked.append(block.decode())
            yield block

    reader = BlockReader(blocks())
    assert (reader.read(1), reader.read(1), asked) == (b"a", b"b", ["ab"])
    assert (reader.read(5), reader.read(5), asked) == (b"c", b"", ["ab", "c"])
