"""Entries: their content, a block or a piece at a time."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import CommandFailed
from blocks.tree import Entry, file


class Stream:
    """A source that gives as much as it likes."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = iter(blocks)

    def read(self, _size: int, /) -> bytes:
        return next(self._blocks, b"")


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(1, 60))
def test_pieces_are_the_content_and_all_but_the_last_are_as_large_as_asked(blocks: list[bytes], size: int) -> None:
    content = b"".join(blocks)
    pieces = list(Entry("x", "file", size=len(content), content=Stream(blocks)).pieces(size))
    assert pieces == [content[start : start + size] for start in range(0, len(content), size)]
    assert list(file("x", content).pieces(size)) == pieces


def test_a_file_that_has_gone_or_can_not_be_read_is_named(tmp_path: Path) -> None:
    for content, reason in ((tmp_path / "gone", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(CommandFailed, match=f"{content} can't be read: {reason}"):
            list(Entry("x", "file", size=1, content=content).blocks())


def test_a_stream_that_ends_early_gives_no_last_piece() -> None:
    entry = Entry("x", "file", size=10, content=io.BytesIO(b"12345"))
    pieces = entry.pieces(4)
    assert next(pieces) == b"1234"
    with pytest.raises(CommandFailed, match="5 bytes early"):
        next(pieces)
