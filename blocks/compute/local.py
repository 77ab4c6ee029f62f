"""This machine as a compute resource: the embedded default, which needs nothing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from blocks.compute.resource import ComputeResource, HostSession
from blocks.host import Host
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
        facts = self.open(Host("local", "this machine"), "check").probe()
        return [f"{facts.system}, {facts.processors} processors, {facts.free / 1e9:.1f} GB free in {facts.folder}"]

    @property
    def patience(self) -> float:
        return 0.0
