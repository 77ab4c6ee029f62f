"""A table with its plot: as files beside the results, and in the views."""

from __future__ import annotations

from collections.abc import Callable

from blocks.storage.resource import StorageResource
from flows import plots
from flows.result_columns import Table
from flows.view import Level, View

Draw = Callable[[], bytes | None]  # a picture as PNG; None where there is nothing to draw


def keep(
    name: str, table: Table, draw: Draw, storage: StorageResource, folder: str, view: View, say: Callable[[Level, str], None]
) -> None:
    """Write ``<name>.csv`` and, where there is something to draw, ``<name>.png`` into a folder, and show both."""
    picture = plots.drawn(draw, f"{name}.png", say)
    storage.write(f"{folder}/{name}.csv", table.csv())
    if picture is not None:
        storage.write(f"{folder}/{name}.png", picture)
    view.table(name, table, picture)
