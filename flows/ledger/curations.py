"""Where runs were published, and what repositories called what they made of them.

Who publishes a run holds its lease, so that there is only one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from flows.ledger.database import Database

CurationStatus = Literal["pending", "done", "failed"]


@dataclass(frozen=True, slots=True)
class CurationRecord:
    """A run in a repository."""

    run: str
    repository: str  # the name of the resource
    status: CurationStatus
    message: str = ""  # why it failed, in a sentence
    url: str = ""  # for people
    at: float = field(default_factory=time.time)  # seconds since the epoch


class Known(MutableMapping[str, str]):
    """What a repository called what was made of a run; each word is in the ledger before the next is asked for."""

    def __init__(self, database: Database, run: str, repository: str) -> None:
        self._database = database
        self._whose = {"run": run, "repository": repository}
        rows = database.select("SELECT key, value FROM curated WHERE run = :run AND repository = :repository", **self._whose)
        self._values: dict[str, str] = {row["key"]: row["value"] for row in rows}

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __setitem__(self, key: str, value: str) -> None:
        if self._values.get(key) == value:
            return
        with self._database.transaction() as execute:
            execute(
                "INSERT INTO curated (run, repository, key, value) VALUES (:run, :repository, :key, :value)"
                " ON CONFLICT (run, repository, key) DO UPDATE SET value = excluded.value",
                {**self._whose, "key": key, "value": value},
            )
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        with self._database.transaction() as execute:
            execute(
                "DELETE FROM curated WHERE run = :run AND repository = :repository AND key = :key", {**self._whose, "key": key}
            )

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)


class Curations:
    """Reading and writing them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, run: str, repository: str) -> Known:
        """What a repository called what was made of a run; the repository by its place, for a name may come to mean another."""
        return Known(self._database, run, repository)

    def write(self, curation: CurationRecord) -> None:
        """Write how a run stands in a repository."""
        with self._database.transaction() as execute:
            execute(
                "INSERT INTO curations (run, repository, status, message, url, at)"
                " VALUES (:run, :repository, :status, :message, :url, :at)"
                " ON CONFLICT (run, repository) DO UPDATE SET status = excluded.status, message = excluded.message,"
                " url = excluded.url, at = excluded.at",
                asdict(curation),
            )

    def of(self, run: str) -> list[CurationRecord]:
        """Where a run was to be published, in the order in which that was last tried."""
        rows = self._database.select("SELECT * FROM curations WHERE run = :run ORDER BY at", run=run)
        return [CurationRecord(**row) for row in rows]
