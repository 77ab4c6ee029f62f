"""Grid Engine clusters as a compute resource."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from blocks.compute.cluster import ClusterCompute
from blocks.job import Word
from blocks.scheduler.dialect import Dialect
from blocks.scheduler.gridengine import GridEngine


class GridEngineCompute(ClusterCompute):
    """Runs tasks as job arrays of a Grid Engine cluster: Son of Grid Engine, Univa's or Altair's."""

    _block_type_name = "Grid Engine Compute"
    _block_type_slug = "gridengine-compute"
    kind: ClassVar[str] = "gridengine"

    parallel_environment: Word = Field(
        default="",
        title="Parallel environment",
        description="Where jobs with several slots run, such as smp; the cluster's are printed by qconf -spl.",
    )
    memory_resource: Word = Field(
        default="h_vmem", title="Memory resource", description="The name under which memory is asked for, for each slot."
    )
    latency: float = Field(
        default=20.0,
        ge=0,
        title="File system latency",
        description="Seconds after which what a node wrote can be seen on the login node, and what ended is in the accounts: "
        "Grid Engine writes them every 15 s, if its flush_time says nothing else.",
    )

    @property
    def dialect(self) -> Dialect:
        return GridEngine(self.parallel_environment, self.memory_resource)
