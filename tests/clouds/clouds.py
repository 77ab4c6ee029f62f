"""Resources on the clouds of the tests, and runs that are made for."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from blocks.compute.cloud import CloudCompute
from blocks.credentials import EC2Credentials
from blocks.host import Host
from blocks.label import RunLabel
from tests.servers.ec2 import EC2


def new_label() -> RunLabel:
    """A run that nothing was ever made for."""
    run = secrets.token_hex(5)
    return RunLabel(run, f"sample-{run}", "sample", "somebody", "installation", time.time())


def credentials(cloud: EC2, **changed: Any) -> EC2Credentials:
    """The account that the cloud knows."""
    settings = {"access_key": cloud.access_key, "secret_key": cloud.secret_key, "endpoint": f"http://{cloud.host}:{cloud.port}/"}
    return EC2Credentials(**settings | changed)


def resource(cloud: EC2, **settings: Any) -> CloudCompute:
    """Three small machines of the cloud at most."""
    asked = {"credentials": credentials(cloud), "image": cloud.image, "size": "t3.small", "maximum": 3, "slots": 2}
    return CloudCompute(**asked | settings)


def wanted(compute: CloudCompute, tasks: int = 6) -> list[Host]:
    """Hosts that are to be made."""
    return [replace(host, id=f"machine-{number}") for number, host in enumerate(compute.hosts_for(tasks), 1)]


def made(compute: CloudCompute, label: RunLabel, hosts: Sequence[Host] | None = None) -> list[Host]:
    """Hosts that are ready, made at the same time."""

    def make(host: Host) -> Host:
        return compute.ready(compute.make(host, label), label, lambda: False)

    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(make, hosts or wanted(compute)))
