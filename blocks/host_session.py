"""What may be done on one host for one run, whatever is between: a shell, a scheduler or Hadoop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blocks.selection import Selection
from blocks.tree import Entry
from blocks.work import Batch, BatchStatus, TaskEnd


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host says of itself when a session opens."""

    folder: str  # absolute path of the scratch folder
    processors: int
    free: int  # bytes on the disk of the scratch folder
    system: str  # name, release and machine of its operating system
    slots: int  # tasks that it takes at once; 0: all, which then wait in its queue
    notes: tuple[str, ...] = ()  # more about it, for people

    def described(self) -> str:
        """In words; processors count where tasks run, which they don't on a host that has a queue."""
        processors = f", {self.processors} processors" if self.slots else ""
        return f"{self.system}{processors}, {self.free / 1e9:.1f} GB free in {self.folder}"


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
    def deliver(self, tree: Iterable[Entry]) -> str:
        """Send ``payload/...`` and ``inputs/<start point>/...``, whole or not at all.

        The host fetches each :class:`~blocks.host_file.StoredFile` itself; where it can't, that is sent too. Returns why it
        can't, or "".
        """

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
    def fetch(self, batch: str, tasks: Iterable[int], selection: Selection, apart: int = 0) -> Iterator[tuple[int, Entry]]:
        """The outputs of ended tasks, as they arrive: ``output/...``, ``stdout`` and ``stderr``, each with its task's id.

        What is not selected is left behind as far as the host can tell it; the rest of it comes too. Unless ``apart`` is 0,
        files of at least so many bytes come first, each as a :class:`~blocks.host_file.HostFile`, where the host can have that.
        """

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
