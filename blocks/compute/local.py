"""This machine as a compute resource: the embedded default, which needs nothing."""

from __future__ import annotations

from contextlib import closing
from typing import ClassVar

from pydantic import Field

from blocks.compute.resource import ComputeResource
from blocks.host import Host
from blocks.host_session import HostSession
from blocks.remote.session import RunnerSession
from blocks.transport.local import LocalTransport


class LocalCompute(ComputeResource):
    """Runs tasks as processes of this machine (of the worker's machine, for a run that was started in the Prefect UI)."""

    _block_type_name = "Local Compute"
    _block_type_slug = "local-compute"
    kind: ClassVar[str] = "local"

    slots: int = Field(default=0, ge=0, title="Slots", description="Tasks at once; 0 for as many as there are processors.")
    scratch: str = Field(default="~/.chiminey/scratch", title="Scratch folder", description="Where tasks work until they end.")

    def hosts_for(self, tasks: int) -> list[Host]:
        return [Host("local", "this machine", self.slots)]

    def open(self, host: Host, run: str) -> HostSession:
        return RunnerSession(LocalTransport(), run, self.scratch)

    def check(self) -> list[str]:
        with closing(self.open(self.hosts_for(0)[0], "check")) as session:
            return [session.probe().described()]

    @property
    def patience(self) -> float:
        return 20.0  # in which it may come to itself: a payload may take all its processes or memory
