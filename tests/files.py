"""The files of a folder in which somebody works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def contents(place: Path) -> Iterator[tuple[Path, bytes]]:
    """Each file below a folder with what is in it; one that goes away meanwhile, as a database's journal does, is left out."""
    for folder, _, names in os.walk(place):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):
                content = path.read_bytes() if path.is_file() else None
                if content is not None:
                    yield path, content
