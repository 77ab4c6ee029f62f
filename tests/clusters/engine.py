"""Clusters as compute resources."""

from __future__ import annotations

from typing import Any

from blocks.compute import GridEngineCompute, SlurmCompute
from tests.servers.sshd import SSHD


def access(host: SSHD) -> dict[str, Any]:
    """How to log in to a login node."""
    return {
        "host": f"{host.user}@{host.address}:{host.port}",
        "private_key_file": str(host.private_key),
        "use_agent": False,
        "host_keys": [host.host_key_line],
        "latency": 1.0,
    }


def slurm_compute(host: SSHD, **settings: Any) -> SlurmCompute:
    """The cluster behind a login node."""
    return SlurmCompute(**{**access(host), **settings})


def grid_engine_compute(host: SSHD, **settings: Any) -> GridEngineCompute:
    """The same for Grid Engine, whose accounts of the tests are written at once."""
    return GridEngineCompute(**{**access(host), "parallel_environment": "smp", **settings})
