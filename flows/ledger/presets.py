"""Presets in the ledger: what runs of a connector were asked for, under names. The preset ``last`` is read from the runs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flows.ledger.database import Database, Row

LAST = "last"


@dataclass(frozen=True, slots=True)
class PresetRecord:
    """What was asked for, under a name."""

    connector: str
    name: str
    request: str  # JSON, of a run


class Presets:
    """Reading and writing them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, preset: PresetRecord) -> None:
        """Write a preset, in the place of one of the same name."""
        with self._database.transaction() as execute:
            execute(
                "INSERT INTO presets (connector, name, request) VALUES (:connector, :name, :request)"
                " ON CONFLICT (connector, name) DO UPDATE SET request = excluded.request",
                {"connector": preset.connector, "name": preset.name, "request": preset.request},
            )

    def remove(self, connector: str, name: str) -> None:
        """Forget a preset."""
        with self._database.transaction() as execute:
            execute("DELETE FROM presets WHERE connector = :connector AND name = :name", {"connector": connector, "name": name})

    def saved(self, connector: str) -> list[PresetRecord]:
        """Those that were saved for a connector, by name."""
        rows = self._database.select("SELECT * FROM presets WHERE connector = :connector ORDER BY name", connector=connector)
        return [PresetRecord(**row) for row in rows]

    def all(self) -> list[PresetRecord]:
        """All of them by connector and name, with the ``last`` of each connector that was run."""
        with self._database.transaction() as execute:
            rows = execute("SELECT * FROM presets")
            newest = execute(
                "SELECT connector, kind, request FROM runs WHERE parent = '' AND created ="
                " (SELECT max(created) FROM runs AS others WHERE others.parent = '' AND others.connector = runs.connector)"
            )
        found = [*(PresetRecord(**row) for row in rows), *map(_last, newest)]
        return sorted(found, key=lambda preset: (preset.connector, preset.name != LAST, preset.name))


def _last(row: Row) -> PresetRecord:
    """Of a sweep, what its runs have in common."""
    request = row["request"] if row["kind"] == "run" else json.dumps(json.loads(row["request"])["run"])
    return PresetRecord(row["connector"], LAST, request)
