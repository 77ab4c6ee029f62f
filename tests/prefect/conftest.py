"""An embedded server, in a home of its own, for each module that needs one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from prefect.context import refresh_global_settings_context
from prefect.events.worker import EventsWorker

from blocks.server import embedded
from tests.servers.object_stores_fixture import s3

__all__ = ["s3"]
_OURS = ("PREFECT_", "CHIMINEY_HOME", "NO_PROXY", "no_proxy", "DO_NOT_TRACK")


@pytest.fixture(scope="module")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A running server, to which this process is connected; no module finds there what another left."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("PREFECT_"):
            del os.environ[name]
    os.environ["CHIMINEY_HOME"] = str(tmp_path_factory.mktemp("home"))
    try:
        assert embedded.ensure()
        embedded.connect()
        yield
        EventsWorker.drain_all(timeout=60)  # Prefect's threads would go on sending to this server
        embedded.stop()
    finally:
        for name in [name for name in os.environ if name.startswith(_OURS)]:
            del os.environ[name]
        os.environ.update(before)
        refresh_global_settings_context()  # Prefect, too, forgets the server
