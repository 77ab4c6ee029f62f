"""Presets in the Prefect UI: deployments that come, are renewed and go, and that run what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client

from blocks.compute import LocalCompute
from blocks.server import worker
from connectors import load
from flows import deployment, preset_deployments, presets, resources
from flows.asked import prepared
from flows.ledger import Ledger
from tests.prefect.test_sweeps import chiminey, grid, state, until

__all__ = ["grid"]

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture
def client(grid: Path) -> Iterator[SyncPrefectClient]:
    worker.open_pool()
    resources.save("here", LocalCompute())
    with get_client(sync_client=True) as client:
        yield client


def names(client: SyncPrefectClient) -> list[str]:
    return sorted(each.name for each in deployment.of_presets(client, "grid"))


def say(*words: str) -> str:
    with chiminey(*words) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return errors


def test_a_preset_comes_and_goes_with_its_connector(client: SyncPrefectClient, tmp_path: Path) -> None:
    options = ("--connector", "grid", "--compute", "here", "--output", str(tmp_path), "--set", "x=3")
    say("preset", "save", "one", *options)
    assert names(client) == [], "the connector is not active"
    say("activate", "grid")
    assert names(client) == ["grid-one"]
    assert "grid-two" in say("preset", "save", "two", *options, "--set", "y=4")
    assert names(client) == ["grid-one", "grid-two"]
    assert "grid-one" not in deployment.active()

    saved = client.read_deployment_by_name("chiminey-grid/grid-two")
    assert saved.parameters["inputs"] == {"x": 3, "y": 4}
    assert saved.parameters["output"] == {"path": str(tmp_path)}
    identity = str(resources.find("here")._block_document_id)  # pyright: ignore[reportPrivateUsage]
    assert saved.parameters["compute"] == {"$ref": {"block_document_id": identity}}

    worker.start()
    try:
        run = client.create_flow_run_from_deployment(saved.id)
        until(lambda: (now := state(client, run.id)) is not None and now.value in ("COMPLETED", "FAILED", "CRASHED"))
    finally:
        worker.stop(0)
    ledger = Ledger()
    record = ledger.of_flow_run(str(run.id))
    assert record is not None
    assert record.status == "completed"
    assert presets.of_run(ledger, record) == presets.find(ledger, "two").request
    ledger.close()

    say("preset", "delete", "two")
    assert names(client) == ["grid-one"]
    say("deactivate", "grid")
    assert names(client) == []
    say("preset", "delete", "one")


def test_one_that_no_longer_fits_is_left_out_and_told(client: SyncPrefectClient, tmp_path: Path) -> None:
    connector = load("grid")
    _, request = prepared(connector, inputs={}, compute="here", output=str(tmp_path))
    good = presets.Preset("good", request)
    unknown = presets.Preset("unknown", request.model_copy(update={"inputs": {"z": 1}}))
    gone = request.compute.model_copy(update={"name": "gone"})
    homeless = presets.Preset("homeless", request.model_copy(update={"compute": gone}))
    deployment.activate(connector)

    told = preset_deployments.offer(connector, [good, unknown, homeless])

    assert names(client) == ["grid-good"]
    assert "the preset 'unknown' of grid is not offered: 'unknown' no longer fits grid: there is no input 'z'" in told[0]
    assert "there is no resource 'gone'" in told[1]
    assert preset_deployments.offer(connector, []) == []
    assert names(client) == []
    deployment.deactivate("grid")
