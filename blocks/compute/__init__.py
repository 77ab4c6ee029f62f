"""Compute resources: where connectors run. A new kind is a module of its own here, and a word in ``KINDS``."""

from blocks.compute.cloud import CloudCompute
from blocks.compute.gridengine import GridEngineCompute
from blocks.compute.local import LocalCompute
from blocks.compute.pbs import PBSCompute
from blocks.compute.resource import ComputeResource, HostSession
from blocks.compute.slurm import SlurmCompute
from blocks.compute.unix import UnixCompute

KINDS: tuple[type[ComputeResource], ...] = (LocalCompute, UnixCompute, SlurmCompute, PBSCompute, GridEngineCompute, CloudCompute)

__all__ = [
    "KINDS",
    "CloudCompute",
    "ComputeResource",
    "GridEngineCompute",
    "HostSession",
    "LocalCompute",
    "PBSCompute",
    "SlurmCompute",
    "UnixCompute",
]
