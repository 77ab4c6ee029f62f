"""What the ledger keeps: runs, hosts and tasks, with the states that each may be in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from blocks.host import Host

RunStatus = Literal["running", "completed", "completed-with-failures", "failed", "cancelled"]
RunKind = Literal["run", "sweep"]
HostStatus = Literal["wanted", "ready", "lost", "failed", "released"]  # wanted: about to be made
TaskStatus = Literal["pending", "running", "completed", "failed"]

MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    "pending": frozenset({"running", "failed", "completed"}),  # completed at once: its output is that of an earlier run
    "running": frozenset({"completed", "failed", "pending"}),  # pending again: to be run once more
    "failed": frozenset({"pending"}),  # a retry that the user asked for
    "completed": frozenset(),
}


def is_completed(status: RunStatus) -> bool:
    """Whether a run has results, be it that some of its tasks failed."""
    return status in ("completed", "completed-with-failures")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, or a sweep of runs, as the ledger knows it."""

    id: str
    name: str
    connector: str
    request: str  # JSON
    flow_run: str = ""
    status: RunStatus = "running"
    message: str = ""
    created: float = field(default_factory=time.time)  # seconds since the epoch
    ended: float | None = None
    state: str = "{}"  # JSON; nothing has been done yet
    owner: str | None = None
    lease_until: float = 0.0
    cancel: int = 0
    kind: RunKind = "run"
    parent: str = ""  # the id of the sweep that it is a point of
    number: int = 0  # of its point, from 1
    folder: str = ""  # of its connector on the machine that began it


@dataclass(frozen=True, slots=True)
class HostRecord:
    """A host of a run, as the ledger knows it."""

    id: str
    address: str
    slots: int
    status: HostStatus
    note: str
    machine: str
    size: str
    price: float
    asked: float  # when it was; seconds since the epoch
    gone: float  # when it was released; 0: it is not

    @property
    def host(self) -> Host:
        """The host itself."""
        return Host(self.id, self.address, self.slots, self.machine, self.size, self.price)


@dataclass(slots=True)
class PayloadTask:
    """One execution of the payload's ``main.sh`` with one set of values; not a Prefect task."""

    id: int  # from 1, unique in the run, over all iterations
    iteration: int
    start_point: int  # number of the start point; -1: none
    point: dict[str, Any] = field(default_factory=dict[str, Any])  # its point of the sweep, with the counters
    status: TaskStatus = "pending"
    attempt: int = 0  # how often it was begun
    host: str = ""
    batch: str = ""
    exit_code: int | None = None
    reason: str = ""
    results: dict[str, Any] = field(default_factory=dict[str, Any])  # what it wrote into result.json
    forgiven: int = 0  # attempts that don't count: preempted, stopped with the run, or before a retry that the user asked for
    time_growth: int = 0  # how often its time was doubled, for it ran out of it
    memory_growth: int = 0
    started: float = 0.0
    ended: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end, well or badly."""
        return self.status in ("completed", "failed")

    @property
    def failure(self) -> str:
        """How it failed, in a sentence."""
        code = f" with exit code {self.exit_code}" if self.exit_code else ""
        return f"task {self.id} failed{code}: {self.reason}"

    def move(self, status: TaskStatus) -> None:
        """Change its state.

        Raises:
            ValueError: a move that the table does not allow; our own mistake.
        """
        if status not in MOVES[self.status]:
            raise ValueError(f"task {self.id} can't go from {self.status} to {status}")
        self.status = status
