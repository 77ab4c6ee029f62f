"""Fixtures with a real Grid Engine, for every conftest that imports them both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.farm import Farm
from tests.servers.gridengine import PROGRAMS, GridEngine

NUMBER = 201  # of the host: no other farm of a test has so many


@pytest.fixture(scope="session")
def standing_grid_engine(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngine]:
    """The cluster behind ``grid_engine``, started once."""
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        pytest.skip(f"needs {', '.join(missing)}: install gridengine-master, gridengine-exec and gridengine-client")
    if not Path("/dev/net/tun").exists():
        pytest.skip("needs /dev/net/tun, to give Grid Engine's host a network of its own")
    farm = Farm(tmp_path_factory.mktemp("grid"), first=NUMBER)
    try:
        cluster = GridEngine(farm.slow(0.0))
        cluster.start()
        yield cluster
    finally:
        farm.stop()


@pytest.fixture
def grid_engine(standing_grid_engine: GridEngine) -> GridEngine:
    """A Grid Engine that is as new, but was started long ago."""
    standing_grid_engine.reset()
    return standing_grid_engine
