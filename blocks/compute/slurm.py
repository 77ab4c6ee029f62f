"""Slurm clusters as a compute resource."""

from __future__ import annotations

from typing import ClassVar

from blocks.compute.cluster import ClusterCompute
from blocks.scheduler.dialect import Dialect
from blocks.scheduler.slurm import Slurm


class SlurmCompute(ClusterCompute):
    """Runs tasks as job arrays of a Slurm cluster."""

    _block_type_name = "Slurm Compute"
    _block_type_slug = "slurm-compute"
    kind: ClassVar[str] = "slurm"

    @property
    def dialect(self) -> Dialect:
        return Slurm()
