"""A fixture with a real Hadoop cluster, for every conftest that imports it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.hadoop import HOME, Hadoop


@pytest.fixture(scope="module")
def hadoop(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hadoop]:
    """A cluster with two data nodes, started once for a module: it is too large to stand by while others run."""
    if not (HOME / "installed").exists():
        pytest.skip(f"needs Hadoop in {HOME}, where scripts/test installs it")
    cluster = Hadoop(tmp_path_factory.mktemp("hadoop"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
