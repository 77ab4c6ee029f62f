"""Which tasks of earlier runs were computed from the same, by their keys; and the digests of what they gave.

Equal keys mean equal numbers too: a task's number is among the values that it computes with.
"""

from __future__ import annotations

from flows.ledger.database import Database

_SAME = (  # a task of this run that waits, and a completed one of another run with the same key
    " FROM task_keys AS mine"
    " JOIN tasks AS waiting ON waiting.run = mine.run AND waiting.id = mine.task AND waiting.status = 'pending'"
    " JOIN task_keys AS theirs ON theirs.key = mine.key AND theirs.run <> mine.run AND theirs.output <> ''"
    " JOIN tasks AS done ON done.run = theirs.run AND done.id = theirs.task AND done.status = 'completed'"
    " WHERE mine.run = :run"
)


class TaskKeys:
    """Reading them; a run's controller writes them, through its lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sources(self, run: str) -> list[str]:
        """The ids of the runs that have computed what waits in this one, the newest first."""
        statement = f"SELECT id FROM runs WHERE id IN (SELECT theirs.run {_SAME}) ORDER BY created DESC"
        return [row["id"] for row in self._database.select(statement, run=run)]

    def same(self, run: str, source: str) -> dict[int, str]:
        """What waits in the run and is done in the source, with the digest of the output there."""
        statement = f"SELECT theirs.task, theirs.output {_SAME} AND theirs.run = :source"
        return {row["task"]: row["output"] for row in self._database.select(statement, run=run, source=source)}
