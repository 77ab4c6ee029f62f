"""A Hadoop cluster for each module, and a gateway to it for each test."""

from __future__ import annotations

import pytest

from tests.cli.conftest import chiminey
from tests.servers.farm import Farm
from tests.servers.hadoop import Hadoop
from tests.servers.hadoop_fixture import hadoop
from tests.servers.sshd import SSHD

__all__ = ["chiminey", "gateway", "hadoop"]


@pytest.fixture
def gateway(farm: Farm, hadoop: Hadoop) -> SSHD:
    """A host that knows the cluster; nothing on it says where Hadoop is."""
    (host,) = farm(1)
    hadoop.make_gateway(host)
    return host
