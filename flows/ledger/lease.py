"""The right to write about a run: what its controller notes goes through here, and is refused once another has taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping

from blocks.errors import LeaseLost
from blocks.host import Host
from flows.ledger.database import Database, Execute, Row
from flows.ledger.records import HostStatus, PayloadTask, RunStatus

LEASE_SECONDS = 60.0


class Lease:
    """The right to write about one run, until another controller takes it.

    Every method but ``release`` raises LeaseLost when that has happened, and then has written nothing.
    """

    def __init__(self, database: Database, run: str, owner: str) -> None:
        self._database = database
        self.run = run
        self.owner = owner

    def renew(self) -> bool:
        """Keep it for another LEASE_SECONDS; True when somebody asked for the run to be cancelled."""
        with self._database.transaction() as execute:
            self._hold(execute)
            return bool(execute("SELECT cancel FROM runs WHERE id = :run", {"run": self.run})[0]["cancel"])

    def release(self) -> None:
        """Give it back."""
        with self._database.transaction() as execute:
            execute("UPDATE runs SET owner = NULL WHERE id = :run AND owner = :owner", {"run": self.run, "owner": self.owner})

    def save(self, state: str) -> None:
        """Write the run's state (JSON)."""
        self._write("UPDATE runs SET state = :state WHERE id = :run", state=state)

    def begin(self, flow_run: str) -> None:
        """The run is being worked on, as this Prefect flow run."""
        self._write(
            "UPDATE runs SET status = 'running', message = '', ended = NULL, flow_run = :flow_run WHERE id = :run",
            flow_run=flow_run,
        )

    def end(self, status: RunStatus, message: str) -> None:
        """The run is over."""
        self._write(
            "UPDATE runs SET status = :status, message = :message, ended = :now WHERE id = :run",
            status=status,
            message=message,
            now=time.time(),
        )

    def host(self, host: Host, status: HostStatus, note: str = "") -> None:
        """Write what a host is now; from the first word of it, and until it is released, a machine may cost something."""
        self._write(
            "INSERT INTO hosts (run, id, address, slots, status, note, machine, size, price, asked, gone)"
            " VALUES (:run, :id, :address, :slots, :status, :note, :machine, :size, :price, :now, :gone)"
            " ON CONFLICT (run, id) DO UPDATE SET address = excluded.address, slots = excluded.slots,"
            " status = excluded.status, note = excluded.note, machine = excluded.machine, size = excluded.size,"
            " price = excluded.price, gone = excluded.gone",
            id=host.id,
            address=host.address,
            slots=host.slots,
            status=status,
            note=note,
            machine=host.machine,
            size=host.size,
            price=host.price,
            now=time.time(),
            gone=time.time() if status == "released" else 0.0,
        )

    def add_tasks(self, tasks: Iterable[PayloadTask]) -> None:
        """Write new tasks; those that are there stay as they are."""
        rows = [_row(self.run, task) for task in tasks]
        columns = ", ".join(rows[0]) if rows else ""
        marks = ", ".join(f":{column}" for column in rows[0]) if rows else ""
        self._write_many(f"INSERT INTO tasks ({columns}) VALUES ({marks}) ON CONFLICT (run, id) DO NOTHING", rows)

    def update_tasks(self, tasks: Iterable[PayloadTask]) -> None:
        """Write how tasks stand now."""
        self._write_many(
            "UPDATE tasks SET status = :status, attempt = :attempt, host = :host, batch = :batch, exit_code = :exit_code,"
            " reason = :reason, results = :results, forgiven = :forgiven, time_growth = :time_growth,"
            " memory_growth = :memory_growth, started = :started, ended = :ended"
            " WHERE run = :run AND id = :id",
            (_row(self.run, task) for task in tasks),
        )

    def keep_keys(self, keys: Mapping[int, str]) -> None:
        """Write what tasks are computed from, by task; those that are written stay as they are."""
        self._write_many(
            "INSERT INTO task_keys (run, task, key, output) VALUES (:run, :task, :key, '') ON CONFLICT (run, task) DO NOTHING",
            [{"run": self.run, "task": task, "key": key} for task, key in keys.items()],
        )

    def keep_outputs(self, digests: Mapping[int, str]) -> None:
        """Write the digests of outputs that are in place, by task."""
        self._write_many(
            "UPDATE task_keys SET output = :output WHERE run = :run AND task = :task",
            [{"run": self.run, "task": task, "output": digest} for task, digest in digests.items()],
        )

    def keep_files(self, listings: Mapping[str, Mapping[str, tuple[int, str]]]) -> None:
        """Write the size and the SHA-256 of every file of some places in the run's folder, such as a task's output."""
        self._write_many(
            "INSERT INTO files (run, place, listing) VALUES (:run, :place, :listing)"
            " ON CONFLICT (run, place) DO UPDATE SET listing = excluded.listing",
            [{"run": self.run, "place": place, "listing": json.dumps(listing)} for place, listing in listings.items()],
        )

    def note(self, level: str, message: str) -> None:
        """Add a line to the run's history."""
        self._write(
            "INSERT INTO history (run, at, level, message) VALUES (:run, :now, :level, :message)",
            now=time.time(),
            level=level,
            message=message,
        )

    def _write(self, statement: str, **parameters: object) -> None:
        with self._database.transaction() as execute:
            self._hold(execute)
            execute(statement, {"run": self.run, **parameters})

    def _write_many(self, statement: str, rows: Iterable[Row]) -> None:
        with self._database.transaction() as execute:
            self._hold(execute)
            execute.many(statement, list(rows))

    def _hold(self, execute: Execute) -> None:
        execute(
            "UPDATE runs SET lease_until = clock() + :seconds WHERE id = :run AND owner = :owner",
            {"run": self.run, "owner": self.owner, "seconds": LEASE_SECONDS},
        )
        if execute.changed != 1:
            raise LeaseLost("another controller has taken this run over")


def _row(run: str, task: PayloadTask) -> Row:
    return {
        "run": run,
        "id": task.id,
        "iteration": task.iteration,
        "start_point": task.start_point,
        "point": json.dumps(task.point),
        "status": task.status,
        "attempt": task.attempt,
        "host": task.host,
        "batch": task.batch,
        "exit_code": task.exit_code,
        "reason": task.reason,
        "results": json.dumps(task.results),
        "forgiven": task.forgiven,
        "time_growth": task.time_growth,
        "memory_growth": task.memory_growth,
        "started": task.started,
        "ended": task.ended,
    }
