"""A sweep: one run of a connector for each point of a map, at most so many at once, and one table of what came of them.

The runs are runs like any other, each with its own place in the ledger, written there before it begins; so a sweep whose
controller died goes on where it was, and repeats nothing. How a run is carried out is given to it: here, or by a worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from typing import Any

from blocks.errors import ChimineyError, RunCancelled, unexpected
from blocks.under_way import UnderWay
from flows.connector import SmartConnector
from flows.control import Control
from flows.ledger import Lease, Ledger, RunRecord
from flows.ledger.database import LedgerUnavailable
from flows.ledger.patience import patiently
from flows.request import SweepRequest
from flows.retry import is_exhausted
from flows.sweep.points import run_request
from flows.sweep.table import progress, table
from flows.view import Level, View

CarryOut = Callable[[RunRecord, View], None]

LEAVE_SECONDS = 25.0  # that its runs have to clean up when Prefect ends the process, which it gives thirty for everything


class Sweep:
    """A sweep in the hands of one controller."""

    def __init__(self, record: RunRecord, connector: SmartConnector, ledger: Ledger, lease: Lease, view: View) -> None:
        self.record = record
        self.request = SweepRequest.model_validate_json(record.request)
        self.ledger = ledger
        self.lease = lease
        self.view = view
        self.control = Control(lease, view.cancelled)
        self.connector = connector
        self._shown = self._tabled = 0.0
        self._waiting = self._missing()
        self._taking = threading.Lock()
        self._leaving = threading.Event()
        self._at_work = UnderWay("the sweep is over")
        self._failure: BaseException | None = None

    def drive(self, carry_out: CarryOut) -> None:
        """Run what is missing, to the end.

        Raises:
            RunCancelled: somebody asked for it to stop; its runs have stopped, or could not in time. LeaseLost.
        """
        threads = [
            threading.Thread(target=self._work, args=(carry_out,), name=f"sweep {number}", daemon=True)
            for number in range(self.request.at_once)
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                self.control.sleep(0.2)
                with suppress(LedgerUnavailable):  # what can't be shown now is shown in a moment
                    self._show()
                self._check()
        except RunCancelled:  # whoever has no time for that may end the process
            self._leave_in_peace()
            raise
        except BaseException:
            self._leave(LEAVE_SECONDS)
            raise
        self._check()
        self._show(now=True)

    def close(self) -> None:
        """Keep its lease no longer."""
        self.control.close()

    def say(self, level: Level, text: str) -> None:
        """Tell the user, and remember it in the history."""
        self.lease.note(level, text)
        self.view.message(level, text)

    def is_leaving(self) -> bool:
        """Whether its runs are to stop."""
        return self._leaving.is_set()

    def _missing(self) -> Iterator[tuple[int, dict[str, Any]]]:
        done = {child.number for child in self.ledger.children(self.record.id) if is_exhausted(self.ledger, child)}
        return ((number, point) for number, point in enumerate(self.request.sweep.points(), 1) if number not in done)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self, carry_out: CarryOut) -> None:
        """Take one point after the other."""
        try:
            with self._at_work.one():
                self._take_all(carry_out)
        except BaseException as error:  # noqa: BLE001 -- the sweep raises it
            self._failure = error

    def _take_all(self, carry_out: CarryOut) -> None:
        while not self.is_leaving():
            with self._taking:
                taken = next(self._waiting, None)
            if taken is None:
                return
            self._run(*taken, carry_out)

    def _run(self, number: int, point: dict[str, Any], carry_out: CarryOut) -> None:
        child = patiently(lambda: self._child(number, point))
        try:
            carry_out(child, Spokesman(self, child.name))
        except Exception as error:  # noqa: BLE001 -- a connector's own hook may do anything, and it is this point's failure alone
            if not self.is_leaving():
                reason = str(error) if isinstance(error, ChimineyError) else unexpected(error)
                self.say("error", f"{child.name} (point {number}): {reason}")

    def _child(self, number: int, point: dict[str, Any]) -> RunRecord:
        """The run of a point, which is in the ledger before anything is done about it."""
        child_id = f"{self.record.id}-{number}"
        request = run_request(self.connector, self.request, self.record.name, point)
        name, folder = self.connector.name, str(self.connector.folder)
        child = RunRecord(
            child_id,
            f"{name}-{child_id}",
            name,
            request.model_dump_json(),
            parent=self.record.id,
            number=number,
            folder=folder,
        )
        self.ledger.add(child)
        return self.ledger.run(child_id) or child

    def _show(self, *, now: bool = False) -> None:
        """Show how far it is, at most once a second; the whole table more rarely the larger it is."""
        if now or time.monotonic() - self._shown >= 1.0:
            self._shown = time.monotonic()
            self.view.progress(progress(self.ledger, self.record.id, self.request.points))
        if now or time.monotonic() - self._tabled >= 5.0 + self.request.points / 100:
            self._tabled = time.monotonic()
            self.view.table("results", table(self.ledger, self.record), None)

    def _leave_in_peace(self) -> None:
        """Have all runs stop, however long that takes; a second Ctrl-C gives them no time, and the end of the process some."""
        try:
            self._leave(inf)
        except KeyboardInterrupt:
            raise
        except BaseException:
            self._leave(LEAVE_SECONDS)
            raise

    def _leave(self, seconds: float) -> None:
        """Have all runs stop and clean up after themselves, which may take so long."""
        self._leaving.set()
        self._at_work.end(seconds)  # no thread is joined: one of which the join is broken off by a signal counts as ended


class Spokesman(View):
    """What a run of a sweep has to say to it, and hears from it; what goes well is shown in the run's own place only."""

    def __init__(self, sweep: Sweep, name: str) -> None:
        self._sweep = sweep
        self._name = name

    def message(self, level: Level, text: str) -> None:
        if level != "info":
            self._sweep.view.message(level, f"{self._name}: {text}")

    def cancelled(self) -> bool:
        return self._sweep.is_leaving()
