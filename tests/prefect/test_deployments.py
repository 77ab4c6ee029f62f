"""Connectors as deployments: their forms, their runs by a worker, and what becomes of these when somebody pulls a plug."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import AwaitingRetry, Cancelling, Suspended

from blocks.errors import NotFound
from blocks.process_start import began
from blocks.server import automations, worker
from connectors import load, load_again
from connectors.reaper import reap
from flows import deployment, reaper, resources
from flows.flow import RUN_TAG, resume
from flows.flow_call import run_here
from flows.ledger import Ledger, RunRecord
from tests.engine import left_on, unix
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds in which what does not hang has come about

SLEEPER = """
from typing import Literal
from pydantic import Field
import flows

class Sleeper(flows.SmartConnector):
    name = "long-sleeper"
    description = "Sleeps, then says so."

    class Inputs(flows.Inputs):
        mood: Literal["calm", "wild"] = Field(default="calm", title="Mood", description="How it sleeps.")

sleeper = Sleeper()
"""

FRAGILE = """
echo $CHIMINEY_TASK_ID >> ~/attempts
if [ -e ~/spoilt ]; then echo "the magnet quenched" >&2; exit 3; fi
touch "$2"/ok
"""


@pytest.fixture(scope="module")
def server(embedded_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncPrefectClient]:
    """A server with a worker that finds a connector of ours."""
    folder = tmp_path_factory.mktemp("own") / "long-sleeper"
    process = folder / "payload" / "process_payload"
    process.mkdir(parents=True)
    (folder / "connector.py").write_text(SLEEPER)
    (process / "main.sh").write_text('[ -e ~/hurry ] || sleep 300\necho slept > "$2"/slept\n')
    fragile = folder.parent / "fragile"
    (fragile / "payload" / "process_payload").mkdir(parents=True)
    (fragile / "connector.toml").write_text('name = "fragile"\n')
    (fragile / "payload" / "process_payload" / "main.sh").write_text(FRAGILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIMINEY_PATH", str(folder.parent))
        patch.setenv("PYTHONPATH", str(ROOT))
        worker.open_pool()
        for name in ("randnum", "long-sleeper", "fragile"):
            deployment.activate(load(name))
        worker.start()
        with get_client(sync_client=True) as client:
            yield client
        worker.stop(0)


@pytest.fixture
def ledger(server: SyncPrefectClient) -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    ledger.close()


@pytest.fixture
def host(hosts: list[SSHD]) -> SSHD:
    """A host that is saved as the resource ``lab``; its client key is not in the Block, but in a file."""
    resources.save("lab", unix(hosts[0]))
    return hosts[0]


def start(client: SyncPrefectClient, name: str, folder: Path, **parameters: Any) -> FlowRun:
    """As the Prefect UI does."""
    found = client.read_deployment_by_name(f"chiminey-{name}/{name}")
    compute = {"$ref": {"block_document_id": str(resources.find("lab")._block_document_id)}}  # pyright: ignore[reportPrivateUsage]
    output = {"path": str(folder)}
    return client.create_flow_run_from_deployment(found.id, parameters={"compute": compute, "output": output, **parameters})


def state(client: SyncPrefectClient, run: UUID) -> StateType | None:
    return client.read_flow_run(run).state_type


def until(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (answer := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.3)
    return answer


def under_way(ledger: Ledger, host: SSHD, run: UUID) -> RunRecord:
    """The run, once its tasks sleep on the host."""
    until(lambda: any("sleep 300" in line for line in host.processes()))
    record = ledger.of_flow_run(str(run))
    assert record is not None
    return record


def slept(folder: Path, record: RunRecord) -> list[Path]:
    return sorted((folder / record.name / "output").glob("*/slept"))


def test_the_form_shows_inputs_with_titles_and_choices_and_the_kinds_of_resource(server: SyncPrefectClient) -> None:
    found = server.read_deployment_by_name("chiminey-long-sleeper/long-sleeper")
    schema = found.parameter_openapi_schema
    assert schema is not None
    definitions = schema["definitions"]
    mood = definitions["Inputs"]["properties"]["mood"]
    assert (mood["title"], mood["enum"], mood["default"]) == ("Mood", ["calm", "wild"], "calm")
    assert {each.get("$ref") for each in schema["properties"]["compute"]["anyOf"]} >= {
        "#/definitions/LocalCompute",
        "#/definitions/UnixCompute",
    }
    sweep = schema["properties"]["sweep"]
    assert sweep["anyOf"] == [{"type": "object", "additionalProperties": True}, {"type": "null"}]  # an editor for JSON
    assert '{"linspace": [0, 1, 11]}' in sweep["description"]
    assert definitions["UnixCompute"]["block_type_slug"] == "unix-compute"
    titles = {name: each.get("title") for name, each in schema["properties"].items()}
    assert titles["compute"] == "Compute resource", "not the name that the parameter has in Python"
    assert titles["job"] == "Cluster job"
    assert definitions["JobRequest"]["properties"]["partition"]["title"] == "Partition or queue"
    assert next(iter(definitions["SlurmCompute"]["properties"])) == "host"
    assert schema["properties"]["max_iterations"]["minimum"] == 1
    assert found.pull_steps == []
    assert found.work_pool_name == worker.POOL
    assert found.enforce_parameter_schema
    for kind in resources.kinds().values():
        server.read_block_type_by_slug(kind.get_block_type_slug())


def test_the_form_of_sweeps_shows_its_own_fields_first_with_titles_and_bounds(server: SyncPrefectClient) -> None:
    schema = server.read_deployment_by_name("chiminey-sweep-randnum/sweep-randnum").parameter_openapi_schema
    assert schema is not None
    fields = schema["properties"]
    first = sorted(fields, key=lambda name: fields[name]["position"])[:3]
    assert [fields[name]["title"] for name in first] == ["Sweep", "Runs at once", "Spread over workers"]
    assert (fields["at_once"]["minimum"], fields["at_once"]["default"]) == (1, 4)
    assert schema["required"] == ["sweep"]


def test_activating_again_changes_nothing_and_deactivating_takes_it_away(server: SyncPrefectClient) -> None:
    before = server.read_deployment_by_name("chiminey-randnum/randnum")
    deployment.activate(load("randnum"))
    assert server.read_deployment_by_name("chiminey-randnum/randnum").id == before.id
    active = deployment.active()
    assert active.count("randnum") == 1
    deployment.deactivate("randnum")
    assert deployment.active() == [name for name in active if name != "randnum"]
    with pytest.raises(NotFound):
        deployment.deactivate("randnum")
    deployment.activate(load("randnum"))


def test_what_somebody_set_in_the_ui_of_a_deployment_outlives_that_it_is_renewed(server: SyncPrefectClient) -> None:
    deployment.activate(load("randnum"))
    found = server.read_deployment_by_name("chiminey-randnum/randnum")
    nightly = CronSchedule(cron="0 3 * * *")
    server.create_deployment_schedules(found.id, [(nightly, False)])
    variables = {**found.job_variables, "env": {**found.job_variables["env"], "OMP_NUM_THREADS": "2"}}
    own = DeploymentUpdate(concurrency_limit=3, parameters={"max_iterations": 7}, job_variables=variables)
    server.update_deployment(found.id, own)

    deployment.activate(load("randnum"))

    renewed = server.read_deployment(found.id)
    assert [(each.active, each.schedule) for each in renewed.schedules] == [(False, nightly)]
    assert renewed.global_concurrency_limit is not None
    assert renewed.global_concurrency_limit.limit == 3
    assert renewed.parameters == {"max_iterations": 7}
    assert renewed.job_variables["env"].keys() > found.job_variables["env"].keys()

    former: Any = {"type": "object", "properties": {"max_iterations": {"type": "string"}}}
    unfit = DeploymentUpdate(parameters={"max_iterations": "many"}, parameter_openapi_schema=former)
    server.update_deployment(found.id, unfit)
    deployment.activate(load("randnum"))
    assert server.read_deployment(found.id).parameters == {}
    deployment.deactivate("randnum")
    deployment.activate(load("randnum"))


def test_a_run_from_the_ui_uses_a_saved_resource_and_leaves_artifacts(
    server: SyncPrefectClient, ledger: Ledger, host: SSHD, tmp_path: Path
) -> None:
    run = start(server, "randnum", tmp_path, sweep={"k": {"start": 1, "stop": 3}})
    until(lambda: state(server, run.id) == StateType.COMPLETED)
    record = ledger.of_flow_run(str(run.id))
    assert record is not None
    assert record.status == "completed"
    assert len(list((tmp_path / record.name / "output").iterdir())) == 2
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    shown = {"progress", "table", "markdown"}
    until(lambda: {artifact.type for artifact in server.read_artifacts(artifact_filter=of_run)} == shown)
    assert left_on(host) == []


def test_cancelling_in_the_ui_ends_the_processes_on_the_host(
    server: SyncPrefectClient, ledger: Ledger, host: SSHD, tmp_path: Path
) -> None:
    run = start(server, "long-sleeper", tmp_path)
    record = under_way(ledger, host, run.id)
    server.set_flow_run_state(run.id, Cancelling())
    until(lambda: state(server, run.id) == StateType.CANCELLED)
    assert left_on(host) == []
    until(lambda: ledger.find(record.id).status == "cancelled")
    assert not [host for host in ledger.hosts(record.id) if host.status != "released"]


def test_a_run_that_was_cancelled_while_it_waited_for_a_worker_does_not_begin(
    server: SyncPrefectClient, ledger: Ledger, host: SSHD, tmp_path: Path
) -> None:
    earlier = start(server, "randnum", tmp_path)
    until(lambda: state(server, earlier.id) == StateType.COMPLETED)
    asked = ledger.of_flow_run(str(earlier.id))
    assert asked is not None
    worker.stop(0)
    record = RunRecord("c0ffee", "randnum-c0ffee", "randnum", asked.request, folder=asked.folder)
    ledger.add(record)
    found = server.read_deployment_by_name("chiminey-randnum/randnum")
    waiting = server.create_flow_run_from_deployment(found.id, parameters=earlier.parameters, tags=[f"{RUN_TAG}{record.id}"])

    reaper.cancel(ledger, ledger.find(record.id), load_again)
    worker.start()
    until(lambda: state(server, waiting.id) in TERMINAL_STATES)

    assert ledger.find(record.id).status == "cancelled"
    assert not (tmp_path / record.name).exists()
    again = server.create_flow_run_from_deployment(found.id, parameters=earlier.parameters, tags=[f"{RUN_TAG}{record.id}"])
    until(lambda: state(server, again.id) == StateType.COMPLETED)
    assert ledger.find(record.id).status == "completed"


def test_a_run_that_is_suspended_in_the_ui_leaves_nothing_on_its_host_and_goes_on_when_it_is_resumed(
    server: SyncPrefectClient, ledger: Ledger, host: SSHD, tmp_path: Path
) -> None:
    run = start(server, "long-sleeper", tmp_path)
    record = under_way(ledger, host, run.id)
    server.set_flow_run_state(run.id, Suspended(timeout_seconds=3600))
    until(lambda: ledger.find(record.id).status == "cancelled")
    assert left_on(host) == []
    assert {each.status for each in ledger.hosts(record.id)} == {"released"}
    until(lambda: began(int(str(server.read_flow_run(run.id).infrastructure_pid))) is None)

    (host.home / "hurry").touch()
    if state(server, run.id) == StateType.PAUSED:
        server.resume_flow_run(run.id)
    else:  # the process was quicker to end than to hear that it was suspended
        server.set_flow_run_state(run.id, AwaitingRetry(), force=True)
    until(lambda: state(server, run.id) == StateType.COMPLETED)
    assert ledger.find(record.id).status == "completed"


def test_one_reaping_does_for_all_that_wait(server: SyncPrefectClient) -> None:
    worker.stop(0)
    reaper = deployment.activate_reaper(reap)
    asked = [server.create_flow_run_from_deployment(reaper).id for _ in range(4)]
    worker.start()
    until(lambda: all(server.read_flow_run(run).state.is_final() for run in asked))
    assert sorted(str(server.read_flow_run(run).state_name) for run in asked) == ["Cancelled"] * 3 + ["Completed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_whose_worker_was_killed_is_seen_as_dead_reaped_and_resumed(
    server: SyncPrefectClient, ledger: Ledger, host: SSHD, tmp_path: Path, number: signal.Signals
) -> None:
    reaper_deployment = deployment.activate_reaper(reap)
    automations.install(reaper_deployment)
    run = start(server, "long-sleeper", tmp_path)
    record = under_way(ledger, host, run.id)
    reaping = server.create_flow_run_from_deployment(reaper_deployment)  # a dead one must not stop those to come
    until(lambda: server.read_flow_run(reaping.id).infrastructure_pid)
    controller = int(str(ledger.find(record.id).owner).split("|")[1])
    alive = worker.running()
    assert alive is not None
    os.kill(alive.pid, number)
    if number == signal.SIGKILL:
        os.kill(controller, number)  # the machine went away, and the flow with it
        until(lambda: state(server, run.id) == StateType.CRASHED)  # nobody but the automation can have noticed
    until(lambda: worker.running() is None)

    worker.start()
    until(lambda: state(server, run.id) == StateType.CRASHED)
    until(lambda: ledger.find(record.id).status != "running")
    until(lambda: not left_on(host, 0))
    assert reaper.reap(ledger, load_again) == []

    (host.home / "hurry").touch()
    result = run_here(resume(load("long-sleeper"), ledger.find(record.id), []))
    assert result.state == "completed"
    assert len(slept(tmp_path, record)) == 1


def test_the_file_for_servers_of_ones_own_deploys_as_it_stands(server: SyncPrefectClient) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=PATIENCE, capture_output=True)
    found = server.read_deployment_by_name("chiminey-randnum/randnum")
    assert found.pull_steps == []
    assert found.tags == ["chiminey"]
    assert found.work_pool_name == worker.POOL
    reap = server.read_deployment_by_name("chiminey reaper/reaper")
    assert [schedule.active for schedule in reap.schedules] == [True]


def test_a_deployment_finds_the_connectors_from_anywhere_and_tells_nobody_where_the_ledger_is(
    server: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHIMINEY_PATH", f"mine{os.pathsep}{tmp_path / 'theirs'}")
    monkeypatch.setenv("CHIMINEY_LEDGER", "postgresql://me:a-password@db.example/ledger")
    deployment.activate(load("randnum"))
    found = server.read_deployment_by_name("chiminey-randnum/randnum")
    assert found.job_variables["env"]["CHIMINEY_PATH"] == f"{tmp_path / 'mine'}{os.pathsep}{tmp_path / 'theirs'}"
    assert "a-password" not in found.model_dump_json()


def test_a_run_that_failed_has_a_report_and_a_retry_from_the_ui_goes_on_with_it(
    server: SyncPrefectClient, ledger: Ledger, host: SSHD, tmp_path: Path
) -> None:
    once = {"maximum_retry": 0}
    (host.home / "spoilt").touch()
    run = start(server, "fragile", tmp_path, sweep={"k": [1, 2]}, reliability=once)
    until(lambda: state(server, run.id) == StateType.FAILED)
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    reports = until(lambda: [each for each in server.read_artifacts(artifact_filter=of_run) if each.type == "markdown"])
    report = reports[0]
    assert "failed" in str(report.data)
    assert "the magnet quenched" in str(report.data)

    (host.home / "spoilt").unlink()
    server.set_flow_run_state(run.id, AwaitingRetry(), force=True)  # as the button does
    until(lambda: state(server, run.id) == StateType.COMPLETED)
    record = ledger.of_flow_run(str(run.id))
    assert record is not None
    assert record.status == "completed"
    assert sorted((host.home / "attempts").read_text().split()) == ["1", "1", "2", "2"]
    assert sorted(path.parent.name for path in (tmp_path / record.name / "output").glob("*/ok")) == ["1", "2"]
