"""PBS clusters as a compute resource."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from blocks.compute.cluster import ClusterCompute
from blocks.scheduler.dialect import Dialect
from blocks.scheduler.pbs import OpenPBS
from blocks.scheduler.torque import Torque


class PBSCompute(ClusterCompute):
    """Runs tasks as job arrays of a PBS cluster: OpenPBS, PBS Professional or Torque."""

    _block_type_name = "PBS Compute"
    _block_type_slug = "pbs-compute"
    kind: ClassVar[str] = "pbs"

    flavour: Literal["openpbs", "torque"] = Field(
        default="openpbs",
        title="Flavour",
        description="openpbs for OpenPBS and PBS Professional; torque for Torque, and for the qsub that comes with Slurm.",
    )

    @property
    def dialect(self) -> Dialect:
        return Torque() if self.flavour == "torque" else OpenPBS()
