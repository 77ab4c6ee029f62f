"""One run in the hands of one controller: what the stages share."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from blocks.host import Host
from blocks.host_session import HostFacts, HostSession
from blocks.storage.resource import joined
from blocks.tree import Entry, folder
from blocks.under_way import UnderWay
from flows import known_input, payload, run_folder, start_points
from flows.control import Control
from flows.ledger import Lease, Ledger, RunRecord
from flows.machines import Machines
from flows.plan import Plan
from flows.proposal import Proposal
from flows.request import RunRequest
from flows.state import RunState
from flows.view import Level, View

if TYPE_CHECKING:
    from flows.crew import Crew


class Run:
    """A run, its resources, and the lease to write about it."""

    def __init__(
        self,
        record: RunRecord,
        proposal: Proposal,
        ledger: Ledger,
        lease: Lease,
        view: View,
    ) -> None:
        self.id = record.id
        self.name = record.name
        self.request = RunRequest.model_validate_json(record.request)
        self.created = record.created
        self.connector = proposal.connector
        self.compute = proposal.compute
        self.input_storage = proposal.input_storage
        self.output_storage = proposal.output_storage
        self.curation = proposal.curation
        self.ledger = ledger
        self.lease = lease
        self.view = view
        self.machines = Machines(self)
        self.deliveries = UnderWay("the run is over, nothing is sent to its hosts any more")
        self.crew: Crew | None = None  # the hosts at work, between execute and wait
        self.is_written_to = False  # by threads that were left in the middle of it
        self._sessions: dict[str, HostSession] = {}
        self._lock = threading.Lock()
        self._warnings: set[str] = set()
        self._plan: tuple[int, Plan] | None = None
        self.control = Control(lease, view.cancelled, self._tell_of_storages)

    @property
    def folder(self) -> str:
        """Where everything of the run goes, in the output storage."""
        return joined(self.request.output.path, self.name)

    def plan(self, state: RunState) -> Plan:
        """The tasks of the current iteration; the last plan is kept."""
        if self._plan is None or self._plan[0] != state.iteration:
            place = f"{self.folder}/{run_folder.inputs(state.iteration)}"
            points = start_points.read(self.output_storage, place) if state.start_points else []
            self._plan = (state.iteration, Plan(self.connector, self.request, state.iteration, points, self.control.check))
        return self._plan[1]

    def inputs(self, state: RunState) -> Iterator[Entry]:
        """The start points of the current iteration as hosts get them, below ``inputs/``."""
        if not state.start_points:
            return
        place = run_folder.inputs(state.iteration)
        known = self.ledger.files_in(self.id, place) if self.output_storage.takes_from_hosts else {}
        for point in start_points.read(self.output_storage, f"{self.folder}/{place}"):
            yield folder(f"inputs/{point.number}")  # it may have no file, or none that is not delivered with each task
            for entry in point.files(self.output_storage):
                yield known_input.of(entry, f"{place}/{point.name}/{entry.path}", known).under(f"inputs/{point.number}")

    def deliver(self, host: Host, state: RunState, first: Iterable[Entry] = ()) -> None:
        """Send a host the start points of the current iteration, and something before them. Raises RunCancelled: it is over."""
        with self.deliveries.one():
            trouble = self.session(host).deliver(chain(first, self.inputs(state)))
        if trouble:
            self.say("warning", f"host {host.address}: {trouble}; large input files went through this machine")

    @cached_property
    def light_program(self) -> tuple[Entry, ...]:
        """The program as tasks are sent it, where it is small; read once, so that it is the same for all of them."""
        return payload.light_program(self.connector.payload_folder)

    def session(self, host: Host) -> HostSession:
        """The one session of this controller on a host."""
        with self._lock:
            if host.id not in self._sessions:
                self._sessions[host.id] = self.compute.open(host, self.id)
            return self._sessions[host.id]

    def hosts(self, *statuses: str) -> list[Host]:
        """The hosts of the run that are in one of these states."""
        return [each.host for each in self.ledger.hosts(self.id) if each.status in statuses]

    def admit(self, host: Host, facts: HostFacts) -> Host:
        """Write that a host is ready, and what it is like."""
        host = replace(host, slots=host.slots or facts.slots)
        processors = f"{facts.processors} processors, " if host.slots else ""
        self.lease.host(host, "ready", f"{facts.system}, {processors}{facts.folder}")
        self.say("info", f"host {host.address}: {facts.system}{f', {host.slots} tasks at once' if host.slots else ''}")
        return host

    def say(self, level: Level, text: str) -> None:
        """Tell the user, and remember it in the run's history."""
        self.lease.note(level, text)
        self.view.message(level, text)

    def warn_once(self, text: str) -> None:
        """The same of what may be found again and again."""
        with self._lock:
            is_new = text not in self._warnings
            self._warnings.add(text)
        if is_new:
            self.say("warning", text)

    def _tell_of_storages(self) -> None:
        for storage in (self.input_storage, self.output_storage):
            if storage is not None and storage.is_waited_for:
                self.warn_once(f"{storage.describe()} does not answer, or has no time; trying again")

    def round_trips(self) -> dict[str, int]:
        """How often each host was asked something by this controller."""
        return {host: session.round_trips for host, session in self._sessions.items()}

    def close(self) -> None:
        """Close its own connections: those to hosts."""
        for session in self._sessions.values():
            session.close()
