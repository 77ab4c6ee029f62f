"""What a task reports in passing: the single values of the JSON object that it wrote into ``result.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from blocks.block_reader import BlockReader
from flows.result_columns import readable

RESULT = "result.json"  # in a task's output
LONGEST = 64 * 1024  # bytes that are kept of what passes; a longer result.json is an output like any other


class Overheard(BlockReader):
    """A file's content on its way to the storage; its end is kept."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__(blocks)
        self.end = b""

    def read(self, size: int, /) -> bytes:
        block = super().read(size)
        self.end = (self.end + block)[-LONGEST:]
        return block


def reported(content: bytes) -> dict[str, Any]:
    """The results in such a file; none when it holds something else, for a payload may use the name for what it likes."""
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError):  # the latter for lists in lists in lists
        return {}
    columns = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    return readable({name: value for name, value in columns.items() if value is None or isinstance(value, str | int | float)})
