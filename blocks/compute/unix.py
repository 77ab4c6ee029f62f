"""Unix servers over SSH as one compute resource."""

from __future__ import annotations

from contextlib import closing
from typing import ClassVar

from pydantic import Field

from blocks.compute.resource import ComputeResource
from blocks.host import Host
from blocks.host_session import HostSession
from blocks.remote.scripts import folder_on
from blocks.remote.session import RunnerSession
from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess


class UnixCompute(ComputeResource, SSHAccess):  # pyright: ignore[reportIncompatibleMethodOverride] -- Prefect's Block
    """Runs tasks on one or several hosts that you reach by SSH. They need a POSIX shell and tar, nothing else."""

    _block_type_name = "Unix Compute"
    _block_type_slug = "unix-compute"
    kind: ClassVar[str] = "unix"

    hosts: list[str] = Field(
        default=[], min_length=1, title="Hosts", description="Each as name, user@name, name:port or an alias of ~/.ssh/config."
    )
    slots: int = Field(
        default=0, ge=0, title="Slots", description="Tasks at once on each host; 0 for as many as it has processors."
    )
    scratch: str = Field(
        default=".chiminey",
        title="Scratch folder",
        description="Where tasks work until they end; below the login folder unless it starts with /.",
    )
    lost_after: float = Field(
        default=60.0,
        ge=0,
        title="Lost after",
        description="Seconds that a host may be unreachable before its tasks go elsewhere.",
    )

    def hosts_for(self, tasks: int) -> list[Host]:
        return [Host(address, address, self.slots) for address in dict.fromkeys(self.hosts)]

    def open(self, host: Host, run: str) -> HostSession:
        return RunnerSession(SSHTransport(host.address, self), folder_on(host.address, run), self.scratch)

    def check(self) -> list[str]:
        lines: list[str] = []
        for host in self.hosts_for(0):
            with closing(self.open(host, "check")) as session:
                lines.append(f"{host.address}: {session.probe().described()}")
        return lines

    @property
    def patience(self) -> float:
        return self.lost_after
