"""Fixtures for the tests of clouds: an EC2 on loopback whose instances are machines of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.label import RunLabel
from tests.cli.conftest import chiminey
from tests.clouds.clouds import new_label
from tests.servers.ec2 import EC2
from tests.servers.openstack_fixture import openstack, standing_openstack

__all__ = ["chiminey", "openstack", "standing_openstack"]


@pytest.fixture(scope="session")
def standing_ec2(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EC2]:
    """The cloud behind ``ec2``, started once."""
    cloud = EC2(tmp_path_factory.mktemp("ec2"))
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def ec2(standing_ec2: EC2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EC2]:
    """A cloud that works, with nothing in it; after the test there must be nothing in it again."""
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))
    standing_ec2.heal()
    yield standing_ec2
    standing_ec2.heal()
    left, processes = standing_ec2.left(), standing_ec2.processes()
    if left:  # the next test has nothing to do with it
        standing_ec2.stop()
        standing_ec2.start()
    assert left == []
    assert processes == []


@pytest.fixture
def label() -> RunLabel:
    """A run that nothing was ever made for."""
    return new_label()
