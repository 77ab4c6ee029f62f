"""What a compute resource can do, in the language of the stages: the only face of it that the stages know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from math import inf

from blocks.host import Host
from blocks.host_session import HostSession
from blocks.job import JobRequest
from blocks.label import RunLabel
from blocks.resource import Resource


class ComputeResource(Resource, ABC):
    """Where a connector runs. A new kind is a new module, and its name in the three places of docs/schedulers.md.

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
    def cleaning(self) -> float:
        """Seconds that a host may take to be cleaned; a cancel in the Prefect UI leaves thirty, for all that is still to do."""
        return 20.0

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
