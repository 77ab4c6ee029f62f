"""One embedded server, in a home of its own, for all tests that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from blocks.server import embedded
from tests.servers.object_stores_fixture import s3

__all__ = ["s3"]
_OURS = ("PREFECT_", "CHIMINEY_HOME", "NO_PROXY", "no_proxy", "DO_NOT_TRACK")


@pytest.fixture(scope="session")
def standing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A running server, to which this process is connected until the session's end."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("PREFECT_"):
            del os.environ[name]
    os.environ["CHIMINEY_HOME"] = str(tmp_path_factory.mktemp("home"))
    assert embedded.ensure()
    embedded.connect()
    yield
    embedded.stop()
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="module")
def embedded_server(standing_server: None) -> Iterator[None]:
    """The server, with nothing on it to be done: a worker would first carry out all that was asked for by the modules before."""
    yield
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import TERMINAL_STATES

    embedded.ensure()
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        unfinished = FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(TERMINAL_STATES)))
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(state=unfinished)):
            client.delete_flow_run(run.id)
