"""Runs on a cloud from the Prefect UI: begun and cancelled there, nothing left, and no secret in what the server keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from blocks.home import home
from blocks.server import worker
from connectors import load
from flows import deployment, resources
from flows.ledger import Ledger
from tests.clouds.clouds import credentials, resource
from tests.files import contents
from tests.servers import loopback
from tests.servers.ec2 import EC2

pytestmark = [pytest.mark.prefect, pytest.mark.cloud, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cloud(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EC2]:
    cloud = EC2(tmp_path_factory.mktemp("ec2"), pool=f"{loopback.CLOUDS}.1.0/24")
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def server(embedded_server: None, cloud: EC2, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncPrefectClient]:
    """A server with a worker, a connector that sleeps, and the cloud as the resource ``vms``."""
    folder = tmp_path_factory.mktemp("own") / "dozer"
    (folder / "payload" / "process_payload").mkdir(parents=True)
    (folder / "connector.toml").write_text('name = "dozer"\n')
    (folder / "payload" / "process_payload" / "main.sh").write_text("sleep 300\n")
    resources.save("account", credentials(cloud))
    resources.save("vms", resource(cloud, credentials=resources.find("account"), maximum=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIMINEY_PATH", str(folder.parent))
        patch.setenv("PYTHONPATH", str(ROOT))
        worker.open_pool()
        for name in ("randnum", "dozer"):
            deployment.activate(load(name))
        worker.start()
        with get_client(sync_client=True) as client:
            yield client
        worker.stop(0)


def start(client: SyncPrefectClient, name: str, folder: Path) -> UUID:
    """As the Prefect UI does."""
    found = client.read_deployment_by_name(f"chiminey-{name}/{name}")
    compute = {"$ref": {"block_document_id": str(resources.find("vms")._block_document_id)}}  # pyright: ignore[reportPrivateUsage]
    asked: dict[str, Any] = {"compute": compute, "output": {"path": str(folder)}}
    return client.create_flow_run_from_deployment(found.id, parameters=asked).id


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.3)


def state(client: SyncPrefectClient, run: UUID) -> StateType | None:
    return client.read_flow_run(run).state_type


def test_a_run_of_the_ui_makes_machines_and_leaves_none(server: SyncPrefectClient, cloud: EC2, tmp_path: Path) -> None:
    run = start(server, "randnum", tmp_path)

    until(lambda: state(server, run) == StateType.COMPLETED)

    assert len(cloud.calls("RunInstances")) >= 1
    assert cloud.left() == []


def test_a_run_that_is_cancelled_in_the_ui_leaves_no_machine(server: SyncPrefectClient, cloud: EC2, tmp_path: Path) -> None:
    ledger = Ledger()
    run = start(server, "dozer", tmp_path)
    until(lambda: (record := ledger.of_flow_run(str(run))) and ledger.task_counts(record.id).get("running"))
    assert any(each.kind == "instance" for each in cloud.left())

    server.set_flow_run_state(run, Cancelling())

    until(lambda: state(server, run) == StateType.CANCELLED)
    until(lambda: cloud.left() == [])
    until(lambda: not cloud.processes())
    ledger.close()


def test_the_server_keeps_no_secret_of_a_cloud(server: SyncPrefectClient, cloud: EC2) -> None:
    kept = b"".join(content for path, content in contents(home()) if ".db" in path.name)

    assert b"dozer" in kept, "nobody has looked"
    for secret in (cloud.secret_key, "BEGIN OPENSSH PRIVATE KEY", (home() / "cloud.secret").read_text()):
        assert secret.encode() not in kept
