"""Compute resources: where connectors run. A new kind is a module here, and a word in ``KINDS`` and ``blocks.kinds``."""

from blocks.compute.cloud import CloudCompute
from blocks.compute.gridengine import GridEngineCompute
from blocks.compute.hadoop import HadoopCompute
from blocks.compute.local import LocalCompute
from blocks.compute.pbs import PBSCompute
from blocks.compute.resource import ComputeResource
from blocks.compute.slurm import SlurmCompute
from blocks.compute.unix import UnixCompute

KINDS: tuple[type[ComputeResource], ...] = (
    LocalCompute,
    UnixCompute,
    SlurmCompute,
    PBSCompute,
    GridEngineCompute,
    CloudCompute,
    HadoopCompute,
)

__all__ = [
    "KINDS",
    "CloudCompute",
    "ComputeResource",
    "GridEngineCompute",
    "HadoopCompute",
    "LocalCompute",
    "PBSCompute",
    "SlurmCompute",
    "UnixCompute",
]
