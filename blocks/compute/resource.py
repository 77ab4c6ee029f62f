"""What a compute resource can do, in the language of the stages: the only face of it that the stages know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from blocks.host import Host
from blocks.job import JobRequest
from blocks.label import RunLabel
from blocks.resource import Resource
from blocks.tree import Entry
from blocks.work import Batch, BatchStatus, TaskEnd


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host says of itself when a session opens."""

    folder: str  # absolute path of the scratch folder
    processors: int
    free: int  # bytes on the disk of the scratch folder
    shell: str  # what payload scripts are started with
    system: str  # name, release and machine of its operating system
    slots: int  # tasks that it takes at once; 0: all, which then wait in its queue
    notes: tuple[str, ...] = ()  # more about it, for people


class Watch(ABC):
    """A live report of ended tasks from one host."""

    closed: bool = False  # it tells nothing any more; open another

    @abstractmethod
    def ends(self, seconds: float) -> list[TaskEnd]:
        """The ends that were told within so many seconds; returns early when there is one.

        Raises:
            Unreachable: the host went silent.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop listening."""


class HostSession(ABC):
    """What may be done on one host for one run. One thread at a time uses it.

    Every method that talks to the host raises Unreachable when the connection breaks, and may then be called again: each is
    idempotent.
    """

    @abstractmethod
    def probe(self) -> HostFacts:
        """Make the scratch folder and say what the host is like."""

    def shared(self, payload: str) -> SharedPayload | None:
        """The place of a payload with this digest, where all runs on the host share it; by default each has its own."""
        del payload
        return None

    @abstractmethod
    def deliver(self, tree: Iterable[Entry]) -> None:
        """Send ``payload/...`` and ``inputs/<start point>/...``, whole or not at all."""

    @abstractmethod
    def submit(self, batch: Batch, slots: int) -> None:
        """Begin a batch, at most ``slots`` of its tasks at once; nothing happens when it was begun before.

        Raises:
            Refused: the scheduler does not take it; QueueFull: not now, or not all of it, so that it has to be asked again.
        """

    @abstractmethod
    def status(self, batches: list[str]) -> list[BatchStatus]:
        """The truth about some batches, in one round trip."""

    @abstractmethod
    def fence(self, batches: list[str]) -> list[BatchStatus]:
        """Make sure that nothing of these batches runs any more, then give their status."""

    @abstractmethod
    def watch(self) -> Watch | None:
        """Open the live report of the run's ends, all of them from the first; None where the host is to be polled instead."""

    @abstractmethod
    def fetch(self, batch: str, tasks: Iterable[int]) -> Iterator[tuple[int, Entry]]:
        """The outputs of ended tasks, as they arrive: ``output/...``, ``stdout`` and ``stderr``, each with its task's id."""

    @abstractmethod
    def tail(self, batch: str, task: int, name: str) -> Iterator[bytes]:
        """What a task prints (``stdout`` or ``stderr``), from the first byte until it ends."""

    @abstractmethod
    def clean(self) -> None:
        """End every process of the run and remove all it left on the host."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @property
    @abstractmethod
    def round_trips(self) -> int:
        """How often the host was asked something."""


class SharedPayload(HostSession):
    """A payload that several runs use, as if it were a run of its own: it is delivered by the first that comes, and stays."""

    @abstractmethod
    def is_there(self) -> bool:
        """Whether a run has delivered it already."""

    @property
    @abstractmethod
    def link(self) -> Entry:
        """What stands for the payload in the folder of a run."""


class ComputeResource(Resource, ABC):
    """Where a connector runs. A new kind is one new module: nothing else needs to know.

    By default hosts are there already and stay. A kind that makes machines overrides ``make`` and what follows it.
    """

    @abstractmethod
    def hosts_for(self, tasks: int) -> list[Host]:
        """The hosts that so many tasks take, at most. Those that have to be made first have no address yet."""

    @property
    def quorum(self) -> int:
        """How many hosts have to be ready for a run to go on."""
        return 1

    def make(self, host: Host, label: RunLabel) -> Host:
        """Ask for a host without an address; the answer knows its ``machine``. May be repeated: it is made once.

        Raises:
            ResourceError: in the words of whoever should have made it.
        """
        del label
        return host

    def ready(self, host: Host, label: RunLabel, stopped: Callable[[], bool]) -> Host:
        """Wait until a host that was asked for can be used; the answer knows its address.

        Raises:
            ResourceError: it did not come up in time, or ``stopped`` said that nobody waits for it any more.
        """
        del label, stopped
        return host

    @abstractmethod
    def open(self, host: Host, run: str) -> HostSession:
        """A session on a host. No connection is made before the first use."""

    def fate(self, host: Host, run: str) -> str:
        """Why a host that does not answer will never do so again, in a few words; empty while nothing speaks against it."""
        del host, run
        return ""

    def release(self, host: Host, run: str) -> None:
        """Let one host go before the run ends, and see it gone. May be repeated."""

    def destroy(self, run: str, hosts: Iterable[Host]) -> None:
        """Let go of everything that was made for a run, and see it gone. May be repeated.

        Args:
            run: its id.
            hosts: of the run, that are not released. One without ``machine`` was asked for, and nobody heard what came of it.

        Raises:
            ResourceError: something may be left.
        """

    def orphans(self, installation: str) -> set[str]:
        """The ids of all runs of an installation for which something that was made is still there."""
        del installation
        return set()

    @abstractmethod
    def check(self) -> list[str]:
        """Try it: lines that say what was found.

        Raises:
            ResourceError: it can't be used; the sentence says why.
        """

    def problems(self, needs: JobRequest, asked: JobRequest) -> list[str]:
        """What is wrong with what a connector needs, or a run asks for, in the user's words.

        By default that a run asks for anything: only clusters have a scheduler that could be asked.
        """
        del needs
        words = ", ".join(name for name in JobRequest.model_fields if getattr(asked, name))
        return [f"a {self.kind} resource has no scheduler that could be asked for {words}; leave it out"] if words else []

    @property
    @abstractmethod
    def patience(self) -> float:
        """Seconds that a host may be unreachable before its tasks go elsewhere."""

    @property
    def idleness(self) -> float:
        """Seconds that a host may have nothing to do before it is let go; by default hosts stay until the run ends."""
        return inf

    def pause(self, elapsed: float, quiet: float) -> float:
        """Seconds until a host that does not tell ends by itself is asked again.

        Args:
            elapsed: seconds since its first task.
            quiet: seconds since it had something new to tell.
        """
        del elapsed
        return min(5.0, max(0.1, quiet / 2))
