"""Machines of a cloud: what is asked for, and what the provider says of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MachineState = Literal["coming", "running", "failed", "gone"]  # failed: it is still there, and will not run any more


@dataclass(frozen=True, slots=True)
class Size:
    """A kind of machine that a provider offers."""

    name: str
    processors: int  # 0: the provider does not tell


@dataclass(frozen=True, slots=True)
class Wish:
    """What the machines of a run are to be like, in the provider's names or ids; what is empty is as the provider has it."""

    image: str
    size: str
    zone: str = ""
    network: str = ""  # or one of its subnets
    security_groups: tuple[str, ...] = ()  # empty: one is made for the run
    ssh_from: tuple[str, ...] = ()  # networks that the run's own security group lets in, as CIDR
    ssh_port: int = 22
    floating_pool: str = ""  # where each machine gets a floating address from
    private_address: bool = False  # machines are reached at their private address, and get no public one
    disk: int = 0  # GB of the system disk; 0: as image and size have it
    spot: bool = False  # spare capacity, cheaper, and taken back at any time


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, as its provider knows it."""

    id: str
    run: str  # id of the run that it was made for
    host: str  # id of the host that it is in that run
    state: MachineState
    public: str = ""  # address; empty while it has none
    private: str = ""
    reason: str = ""  # why it is gone, or failed, in the provider's words

    def address(self, wish: Wish) -> str:
        """Where it is reached; empty while it has no such address."""
        return (self.private if wish.private_address else "") or self.public or self.private
