"""What a run needs of a cloud's provider: the only face of it that :class:`~blocks.cloud.fleet.Fleet` knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from blocks.cloud.machine import Machine, Size, Wish


@dataclass(frozen=True, slots=True)
class MachineOrder:
    """One machine to be made. Orders for the same host of the same run are equal, so that a repeat can be told."""

    run: str
    host: str
    tags: Mapping[str, str]
    user_data: str  # for cloud-init
    wish: Wish


@dataclass(frozen=True, slots=True)
class Quota:
    """How many more machines an account may have."""

    machines: int
    words: str  # for people
    processors: int | None = None  # that all of them may have; None: the provider does not tell


class Provider(ABC):
    """An account at a provider.

    Every method may be called by several threads at once, is repeated after faults that pass, and raises ResourceError in the
    provider's own words: AuthenticationRefused for credentials, Refused for what it will not do, Unreachable when it does not
    answer.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """For people: ``EC2 in us-east-1``."""

    @abstractmethod
    def problems(self, wish: Wish) -> list[str]:
        """What of a wish there is not, each a sentence that names the setting."""

    @abstractmethod
    def size(self, wanted: str) -> Size:
        """The size of this name or id. Raises NotFound."""

    @abstractmethod
    def quota(self) -> Quota | None:
        """What the account may still make; None when the provider does not tell."""

    @abstractmethod
    def prepare(self, run: str, named: Mapping[str, str], public_key: str, wish: Wish) -> None:
        """Make what the machines of a run have in common, with tags: a key pair and, where none is given, a security group."""

    @abstractmethod
    def make(self, order: MachineOrder) -> Machine:
        """Ask for a machine; when it was asked for before, it is that one."""

    @abstractmethod
    def machines(self, run: str) -> list[Machine]:
        """The machines of a run, also those that are gone as long as the provider knows of them."""

    @abstractmethod
    def settle(self, machine: Machine, order: MachineOrder) -> Machine:
        """Give a running machine what can't be asked for with it: a floating address, tags on its disks."""

    @abstractmethod
    def end(self, machine: Machine) -> bool:
        """Ask for a machine to be destroyed; whether the provider knows it. Nothing happens when it is gone."""

    def take_back_address(self, run: str, host: str) -> None:
        """Let go of the floating address of a machine that is gone, where machines have such; others may need it."""
        del run, host

    @abstractmethod
    def remove_rest(self, run: str) -> list[str]:
        """Remove what else was made for a run; returns what is still there, in words for people."""

    @abstractmethod
    def runs(self, installation: str) -> set[str]:
        """The runs of an installation of which something is there: machines, or keys, groups and addresses for them."""
