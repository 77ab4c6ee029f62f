"""One run in the hands of one controller: what the stages share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from blocks.compute.resource import ComputeResource, HostFacts, HostSession
from blocks.errors import ChimineyError
from blocks.host import Host
from blocks.storage.resource import StorageResource, joined
from blocks.tree import Entry, folder
from flows import payload, start_points
from flows.connector import SmartConnector
from flows.control import Control
from flows.ledger import Lease, Ledger, RunRecord
from flows.machines import Machines
from flows.plan import Plan
from flows.request import RunRequest
from flows.state import RunState
from flows.view import Level, View

if TYPE_CHECKING:
    from flows.crew import Crew

Answer = TypeVar("Answer")


class Run:
    """A run, its resources, and the lease to write about it."""

    def __init__(
        self,
        record: RunRecord,
        connector: SmartConnector,
        compute: ComputeResource,
        input_storage: StorageResource | None,
        output_storage: StorageResource,
        ledger: Ledger,
        lease: Lease,
        view: View,
    ) -> None:
        self.id = record.id
        self.name = record.name
        self.request = RunRequest.model_validate_json(record.request)
        self.created = record.created
        self.connector = connector
        self.compute = compute
        self.input_storage = input_storage
        self.output_storage = output_storage
        self.ledger = ledger
        self.lease = lease
        self.view = view
        self.control = Control(lease, view.cancelled)
        self.machines = Machines(self)
        self.crew: Crew | None = None  # the hosts at work, between execute and wait
        self._sessions: dict[str, HostSession] = {}
        self._lock = threading.Lock()
        self._plan: tuple[int, Plan] | None = None

    @property
    def folder(self) -> str:
        """Where everything of the run goes, in the output storage."""
        return joined(self.request.output.path, self.name)

    def plan(self, state: RunState) -> Plan:
        """The tasks of the current iteration; the last plan is kept."""
        if self._plan is None or self._plan[0] != state.iteration:
            points = (
                start_points.read(self.output_storage, f"{self.folder}/input_{state.iteration}") if state.start_points else []
            )
            self._plan = (state.iteration, Plan(self.connector, self.request, state.iteration, points))
        return self._plan[1]

    def inputs(self, state: RunState) -> Iterator[Entry]:
        """The start points of the current iteration as hosts get them, below ``inputs/``."""
        if state.start_points:
            for point in start_points.read(self.output_storage, f"{self.folder}/input_{state.iteration}"):
                yield folder(f"inputs/{point.number}")  # it may have no file, or none that is not delivered with each task
                for entry in point.files(self.output_storage):
                    yield entry.under(f"inputs/{point.number}")

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
        return [each.host for each in self.ledger.hosts(self.id) if not statuses or each.status in statuses]

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

    def round_trips(self) -> dict[str, int]:
        """How often each host was asked something by this controller."""
        return {host: session.round_trips for host, session in self._sessions.items()}

    def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            session.close()
        for storage in {id(storage): storage for storage in (self.input_storage, self.output_storage) if storage}.values():
            storage.close()


def on_all(
    hosts: Iterable[Host], act: Callable[[Host], Answer], check: Callable[[], None], seconds: float = float("inf")
) -> dict[Host, Answer | ChimineyError]:
    """Do the same on all hosts at once, and give each one's answer or error.

    The threads are left behind, not joined, when ``check`` raises or the seconds are over (a cancel must not wait for a host that
    hangs): a host that did not answer in time has no entry.
    """
    answers: dict[Host, Answer | ChimineyError] = {}
    failures: list[BaseException] = []

    def answer(host: Host) -> None:
        try:
            answers[host] = act(host)
        except ChimineyError as error:
            answers[host] = error
        except BaseException as error:  # noqa: BLE001 -- our own mistake: it must end the stage, not only this thread
            failures.append(error)

    threads = [threading.Thread(target=answer, args=(host,), name=f"host {host.id}", daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        while thread.is_alive() and time.monotonic() < until:
            check()
            thread.join(min(0.2, max(0.0, until - time.monotonic())))
    if failures:
        raise failures[0]
    return dict(answers)
