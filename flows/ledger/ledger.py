"""The truth about every run: what was asked, how far it is, and who may go on with it.

Prefect's records may lag or be lost; they are the view. Everything a controller needs to go on where another one died is here.
What is about to be done (a batch to be submitted) is written before it is done.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property

from blocks.errors import InvalidRequest
from flows.ledger.curations import Curations
from flows.ledger.database import Database, LedgerUnavailable, Row, default_url
from flows.ledger.lease import LEASE_SECONDS, Lease
from flows.ledger.owner import is_gone, this_process
from flows.ledger.presets import Presets
from flows.ledger.records import HostRecord, PayloadTask, RunRecord, is_completed
from flows.ledger.task_keys import TaskKeys

RECENT_RUNS = 3  # of a connector, from which it is learned how long its tasks take
SHORTEST_TASK = 0.5  # seconds; hosts tell times in whole ones


class Ledger:
    """Reading, and the few writes that need no lease. What a run's controller writes goes through :class:`Lease`."""

    def __init__(self, url: str | None = None) -> None:
        self._database = Database(url or default_url())
        self.presets = Presets(self._database)
        self.task_keys = TaskKeys(self._database)
        self.curations = Curations(self._database)

    @cached_property
    def installation(self) -> str:
        """What tells this ledger from all others."""
        return str(self._database.select("SELECT installation FROM ledger")[0]["installation"])

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def add(self, run: RunRecord) -> None:
        """Write a new run; nothing happens when it is there."""
        row = asdict(run)
        with self._database.transaction() as execute:
            execute(
                f"INSERT INTO runs ({', '.join(row)}) VALUES ({', '.join(f':{column}' for column in row)})"
                " ON CONFLICT (id) DO NOTHING",
                row,
            )

    def run(self, run: str) -> RunRecord | None:
        """The run with this id."""
        rows = self._database.select("SELECT * FROM runs WHERE id = :run", run=run)
        return RunRecord(**rows[0]) if rows else None

    def of_flow_run(self, flow_run: str) -> RunRecord | None:
        """The run that a Prefect flow run is the view of."""
        rows = self._database.select("SELECT * FROM runs WHERE flow_run = :flow_run", flow_run=flow_run)
        return RunRecord(**rows[0]) if rows else None

    def runs(self) -> list[RunRecord]:
        """All runs, the newest first."""
        return [RunRecord(**row) for row in self._database.select("SELECT * FROM runs ORDER BY created DESC")]

    def top(self) -> list[RunRecord]:
        """All runs and sweeps, the newest first, without the runs of sweeps."""
        return [RunRecord(**row) for row in self._database.select("SELECT * FROM runs WHERE parent = '' ORDER BY created DESC")]

    def unfinished(self) -> list[RunRecord]:
        """The runs that are at work, or ended and may have left something on a host; the newest first."""
        rows = self._database.select(
            "SELECT * FROM runs WHERE status = 'running' OR id IN (SELECT run FROM hosts WHERE status <> 'released')"
            " ORDER BY created DESC"
        )
        return [RunRecord(**row) for row in rows]

    def children(self, sweep: str) -> list[RunRecord]:
        """The runs of a sweep that were begun, in the order of its points."""
        return [
            RunRecord(**row)
            for row in self._database.select("SELECT * FROM runs WHERE parent = :sweep ORDER BY number", sweep=sweep)
        ]

    def statuses(self, sweep: str) -> Counter[str]:
        """How many runs of a sweep are in each state; those that failed in part count as completed."""
        counts = Counter[str]()
        for row in self._database.select(
            "SELECT status, count(*) AS number FROM runs WHERE parent = :sweep GROUP BY status", sweep=sweep
        ):
            counts["completed" if is_completed(row["status"]) else row["status"]] += row["number"]
        return counts

    def find(self, text: str) -> RunRecord:
        """The run with this name or id, or the one that starts with it.

        Raises:
            InvalidRequest: none, or several.
        """
        rows = self._database.select(
            "SELECT * FROM runs WHERE substr(id, 1, :length) = :text OR substr(name, 1, :length) = :text ORDER BY created DESC",
            text=text,
            length=len(text),
        )
        exact = [row for row in rows if text in (row["id"], row["name"])]
        rows = exact or [row for row in rows if not row["parent"]] or rows  # a sweep goes before its runs
        if not rows or not text:
            raise InvalidRequest(f"there is no run {text!r}; 'chiminey jobs' lists them")
        if len(rows) > 1:
            names = ", ".join(str(row["name"]) for row in rows[:5])
            raise InvalidRequest(f"{text!r} is the start of several runs ({names}); give more of it")
        return RunRecord(**rows[0])

    def tasks(self, run: str, iteration: int | None = None) -> list[PayloadTask]:
        """The tasks of a run, in order."""
        chosen = "" if iteration is None else " AND iteration = :iteration"
        rows = self._database.select(f"SELECT * FROM tasks WHERE run = :run{chosen} ORDER BY id", run=run, iteration=iteration)
        return [_task(row) for row in rows]

    def hosts(self, run: str) -> list[HostRecord]:
        """The hosts of a run, in the order in which they were asked for."""
        rows = self._database.select("SELECT * FROM hosts WHERE run = :run ORDER BY asked, id", run=run)
        return [_host(row) for row in rows]

    def machines(self) -> dict[str, list[HostRecord]]:
        """The hosts that were made, by run, and by the sweep that it is a part of."""
        rows = self._database.select(
            "SELECT hosts.*, runs.parent FROM hosts JOIN runs ON runs.id = hosts.run WHERE hosts.machine <> ''"
        )
        found: dict[str, list[HostRecord]] = {}
        for row in rows:
            for run in filter(None, (row["run"], row.pop("parent"))):
                found.setdefault(run, []).append(_host(row))
        return found

    def history(self, run: str) -> list[Row]:
        """What happened: at (seconds since the epoch), level, message."""
        return self._database.select("SELECT at, level, message FROM history WHERE run = :run ORDER BY at", run=run)

    def files(self, run: str) -> dict[str, dict[str, tuple[int, str]]]:
        """The size and the SHA-256 of every file that was brought to the run's folder, by the place that it was written with."""
        rows = self._database.select("SELECT place, listing FROM files WHERE run = :run", run=run)
        return {
            row["place"]: {path: (size, sha256) for path, (size, sha256) in json.loads(row["listing"]).items()} for row in rows
        }

    def files_in(self, run: str, place: str) -> dict[str, tuple[int, str]]:
        """The same of one place; nothing where nothing was brought there."""
        rows = self._database.select("SELECT listing FROM files WHERE run = :run AND place = :place", run=run, place=place)
        listing: dict[str, tuple[int, str]] = json.loads(rows[0]["listing"]) if rows else {}
        return {path: (size, sha256) for path, (size, sha256) in listing.items()}

    def task_counts(self, run: str) -> dict[str, int]:
        """How many tasks of a run are in each state."""
        rows = self._database.select("SELECT status, count(*) AS number FROM tasks WHERE run = :run GROUP BY status", run=run)
        return {row["status"]: row["number"] for row in rows}

    def task_seconds(self, connector: str) -> float:
        """How long tasks of a connector's latest runs took, in the mean; 0 when none is known of."""
        rows = self._database.select(
            "SELECT avg(ended - started) AS seconds FROM tasks WHERE status = 'completed' AND started > 0 AND run IN"
            f" (SELECT id FROM runs WHERE connector = :connector ORDER BY created DESC LIMIT {RECENT_RUNS})",
            connector=connector,
        )
        seconds = rows[0]["seconds"]
        return 0.0 if seconds is None else max(SHORTEST_TASK, float(seconds))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many tasks of each run are in each state."""
        counts: dict[str, dict[str, int]] = {}
        for row in self._database.select("SELECT run, status, count(*) AS number FROM tasks GROUP BY run, status"):
            counts.setdefault(row["run"], {})[row["status"]] = row["number"]
        return counts

    def request_cancel(self, run: str) -> None:
        """Ask whoever owns the run to stop it."""
        with self._database.transaction() as execute:
            execute("UPDATE runs SET cancel = 1 WHERE id = :run", {"run": run})

    def acquire(self, run: str, owner: str) -> Lease | None:
        """Become the one controller of a run; None while another one is alive."""
        with self._database.transaction() as execute:
            rows = execute("SELECT owner, lease_until > clock() AS held FROM runs WHERE id = :run", {"run": run})
            if not rows:
                return None
            holder = rows[0]["owner"]
            if holder not in (None, owner) and rows[0]["held"] and not is_gone(holder):
                return None
            execute(  # of two that saw it free on PostgreSQL, one changes no row
                "UPDATE runs SET owner = :owner, lease_until = clock() + :seconds, cancel = 0"
                " WHERE id = :run AND coalesce(owner, '') = :holder",
                {"run": run, "owner": owner, "holder": holder or "", "seconds": LEASE_SECONDS},
            )
            taken = execute.changed == 1
        return Lease(self._database, run, owner) if taken else None

    @contextmanager
    def held(self, record: RunRecord, refusal: str) -> Generator[Lease]:
        """Be the one controller of a run for a while. Raises InvalidRequest, with the refusal, when another one is alive."""
        lease = self.acquire(record.id, this_process())
        if lease is None:
            raise InvalidRequest(refusal)
        try:
            yield lease
        finally:
            with suppress(LedgerUnavailable):  # what can't be given back lapses by itself
                lease.release()

    def is_owned(self, run: RunRecord) -> bool:
        """True while a living controller is at work on it."""
        rows = self._database.select(
            "SELECT owner FROM runs WHERE id = :run AND owner <> '' AND lease_until > clock()", run=run.id
        )
        return bool(rows) and not is_gone(rows[0]["owner"])


def _host(row: Row) -> HostRecord:
    return HostRecord(**{name: value for name, value in row.items() if name != "run"})


def _task(row: Row) -> PayloadTask:
    fields = {name: value for name, value in row.items() if name != "run"}
    fields["point"], fields["results"] = json.loads(fields["point"]), json.loads(fields["results"])
    return PayloadTask(**fields)
