"""What a task reports in passing: the single values of the JSON object that it wrote into ``result.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

RESULT = "result.json"  # in a task's output
LONGEST = 64 * 1024  # bytes that are kept of what passes; a longer result.json is an output like any other


class Overheard:
    """A file's content on its way to the storage; its end is kept."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""
        self.end = b""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        block = self._rest or next(self._blocks, b"")
        block, self._rest = block[:size], block[size:]
        self.end = (self.end + block)[-LONGEST:]
        return block


def reported(content: bytes) -> dict[str, Any]:
    """The results in such a file; none when it holds something else, for a payload may use the name for what it likes."""
    try:
        found: object = json.loads(content)
    except ValueError:
        return {}
    columns = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    return {name: value for name, value in columns.items() if value is None or isinstance(value, str | int | float)}
