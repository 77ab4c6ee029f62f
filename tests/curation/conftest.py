"""A MyTardis with the schemas of graphs, and a resource for its user alice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.curation.mytardis import MyTardis
from tests.servers.mytardis import ALICE, MyTardisServer
from tests.servers.object_stores_fixture import s3, swift

__all__ = ["s3", "swift"]


@pytest.fixture
def server() -> Iterator[MyTardisServer]:
    server = MyTardisServer(verification=0.05)
    server.register_graphs()
    yield server
    server.stop()


@pytest.fixture
def repository(server: MyTardisServer) -> Iterator[MyTardis]:
    repository = MyTardis(url=server.url, username=ALICE.name, api_key=ALICE.api_key)
    yield repository
    repository.close()
