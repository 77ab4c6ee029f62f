"""Sweeps of runs: a limit on how many at once, one table, and what becomes of them when somebody pulls a plug."""

from __future__ import annotations

import asyncio
import csv
import json
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
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelling

from blocks.errors import RunFailed
from blocks.server import embedded, worker
from connectors import load, load_again
from flows import deployment, reaper, resources
from flows.ledger import Ledger, RunRecord
from flows.sweep import flow
from flows.sweep.sweep import CarryOut, Sweep
from flows.view import View
from tests.engine import left_on, unix
from tests.prefect.test_server_away import kill_the_server
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds in which what does not hang has come about

DECLARED = """
name = "grid"
description = "Adds two numbers, four times."
arguments = ["x", "y"]

[inputs.x]
type = "integer"
default = 0
maximum = 100

[inputs.y]
type = "integer"
default = 0

[sweep]
part = [1, 2, 3, 4]
"""

MAIN = """
echo "$CHIMINEY_RUN_ID $CHIMINEY_TASK_ID" >>"$HOME/begun"
[ ! -e "$HOME/slow" ] || sleep 1
[ ! -e "$HOME/stuck" ] || sleep 600
while [ -e "$HOME/held" ]; do sleep 0.2; done
[ "$3" != 2 ] || [ ! -e "$HOME/broken" ] || { echo "two is too much" >&2; exit 7; }
echo "{\\"sum\\": $(($3 + $4))}" >"$2/result.json"
"""

MAP = {"x": [1, 2, 3], "y": [10, 20, 30]}


@pytest.fixture(scope="module")
def grid(embedded_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The connector, in a folder that every process of the test finds."""
    folder = tmp_path_factory.mktemp("grids")
    process = folder / "grid" / "payload" / "process_payload"
    process.mkdir(parents=True)
    (folder / "grid" / "connector.toml").write_text(DECLARED)
    (process / "main.sh").write_text(MAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIMINEY_PATH", str(folder))
        patch.setenv("PYTHONPATH", str(ROOT))
        yield folder


@pytest.fixture
def host(hosts: list[SSHD]) -> SSHD:
    resources.save("lab", unix(hosts[0], slots=2))
    return hosts[0]


def sweep(output: Path, *options: str) -> subprocess.Popen[str]:
    words = ["sweep", "grid", "--sweep", '{"x": [1, 2, 3], "y": [10, 20, 30]}', "--at-once", "2", "--compute", "lab"]
    return chiminey(*words, "--output", str(output), *options)


def spread(output: Path) -> subprocess.Popen[str]:
    """Two runs, in the hands of workers."""
    words = ["sweep", "grid", "--sweep", '{"x": [1, 2], "y": [5]}', "--by-workers", "--compute", "lab"]
    return chiminey(*words, "--output", str(output))


def chiminey(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (answer := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
    return answer


def begun(host: SSHD) -> list[str]:
    log = host.home / "begun"
    return log.read_text().splitlines() if log.exists() else []


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def crate_entities(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]


def sweeps(output: Path) -> list[RunRecord]:
    ledger = Ledger()
    try:
        return [run for run in ledger.runs() if run.kind == "sweep" and str(output) in run.request]
    finally:
        ledger.close()


def newest(output: Path) -> RunRecord:
    return sweeps(output)[0]


def test_a_killed_sweep_goes_on_with_what_is_missing_and_never_has_more_than_its_limit(
    grid: Path, host: SSHD, tmp_path: Path
) -> None:
    (host.home / "slow").touch()
    ledger = Ledger()
    most = 0
    with sweep(tmp_path) as first:
        until(lambda: begun(host))
        record = newest(tmp_path)
        while len(begun(host)) < 14:
            assert first.poll() is None, first.communicate()
            most = max(most, ledger.statuses(record.id).get("running", 0))
            time.sleep(0.1)
        first.kill()
    assert most == 2

    resumed = chiminey("resume", record.id, "--json")
    output, errors = resumed.communicate(timeout=PATIENCE)

    assert resumed.returncode == 0, errors
    assert f'"name":"{record.name}","state":"completed"' in output
    assert sorted(begun(host)) == sorted({*begun(host)}), "a task ran twice"
    assert len(begun(host)) == 9 * 4
    table = rows(tmp_path / record.name)
    assert [(row["x"], row["y"], float(row["sum"])) for row in table] == [
        (str(x), str(y), x + y) for x in MAP["x"] for y in MAP["y"]
    ]
    assert (tmp_path / record.name / "results.png").read_bytes().startswith(b"\x89PNG")
    assert left_on(host) == []
    assert host.most_connections_at_once() <= 2 + 2  # those of the killed process may still be told apart
    ledger.close()


def test_a_failed_point_is_named_and_can_be_run_again_alone(grid: Path, host: SSHD, tmp_path: Path) -> None:
    (host.home / "broken").touch()
    with sweep(tmp_path, "--max-retry", "0") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, errors
    assert errors.count("two is too much") >= 3
    record = newest(tmp_path)
    assert [row["state"] for row in rows(tmp_path / record.name)] == ["completed"] * 3 + ["failed"] * 3 + ["completed"] * 3
    before = len(begun(host))
    (host.home / "broken").unlink()

    with chiminey("retry", record.id, "--point", "5") as process:
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, "two points are still failed"
    assert len(begun(host)) == before + 4
    with chiminey("retry", record.id) as process:
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert len(begun(host)) == before + 3 * 4
    assert {row["state"] for row in rows(tmp_path / record.name)} == {"completed"}
    with chiminey("retry", record.id) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "nothing failed" in errors) == (2, True)


def test_cancelling_a_sweep_ends_all_its_runs(grid: Path, host: SSHD, tmp_path: Path) -> None:
    (host.home / "stuck").touch()
    with sweep(tmp_path, "--json") as process:
        until(lambda: len(begun(host)) >= 3)
        record = newest(tmp_path)
        with chiminey("cancel", record.id) as cancelling:
            told, _ = cancelling.communicate(timeout=PATIENCE)
        output, errors = process.communicate(timeout=PATIENCE)
    assert f"{record.name} is cancelled" in told
    assert process.returncode == 130, errors
    assert '"state":"cancelled"' in output
    assert json.loads(output)["tasks"]["total"] >= 3
    assert left_on(host) == []
    ledger = Ledger()
    assert {child.status for child in ledger.children(record.id)} == {"cancelled"}
    ledger.close()
    folder = tmp_path / record.name
    assert json.loads((folder / "run.json").read_text())["state"] == "cancelled"
    assert {row["state"] for row in rows(folder)} == {"cancelled"}
    with chiminey("verify", str(folder)) as process:
        told, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, (told, errors)
    points = [entity for entity in crate_entities(folder) if entity["@id"].startswith("#point-")]
    assert points, "the crate of a cancelled sweep tells of the points that were begun"
    assert {point["actionStatus"] for point in points} == {"http://schema.org/FailedActionStatus"}


def test_an_interrupted_sweep_cleans_up(grid: Path, host: SSHD, tmp_path: Path) -> None:
    (host.home / "stuck").touch()
    with sweep(tmp_path) as process:
        until(lambda: len(begun(host)) >= 3)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert left_on(host) == []
    assert newest(tmp_path).status == "cancelled"


def test_a_sweep_from_the_ui_is_spread_over_workers_and_cancelled_there(grid: Path, host: SSHD, tmp_path: Path) -> None:
    worker.open_pool()
    deployment.activate(load("grid"))
    worker.start()
    try:
        with get_client(sync_client=True) as client:
            run = start(client, tmp_path, by_workers=True, at_once=2, sweep={"x": [1, 2], "y": [5]})
            until(lambda: state(client, run.id) == StateType.COMPLETED)
            record = newest(tmp_path)
            assert [float(row["sum"]) for row in rows(tmp_path / record.name)] == [6, 7]
            ledger = Ledger()
            flow_runs = [client.read_flow_run(UUID(child.flow_run)) for child in ledger.children(record.id)]
            assert {each.work_pool_name for each in flow_runs} == {worker.POOL}
            assert [each.name for each in flow_runs] == [f"grid-{record.id}-1", f"grid-{record.id}-2"]
            ledger.close()

            (host.home / "stuck").touch()
            run = start(client, tmp_path, at_once=2, sweep=MAP)
            until(lambda: len(begun(host)) >= 8 + 3)
            client.set_flow_run_state(run.id, Cancelling())
            until(lambda: state(client, run.id) == StateType.CANCELLED)
            assert left_on(host) == []
            until(lambda: newest(tmp_path).status == "cancelled")
    finally:
        worker.stop(0)
        deployment.deactivate("grid")


@pytest.fixture
def pool(grid: Path) -> Iterator[None]:
    """The deployment of the connector, and a work pool without a worker, which a test may start."""
    worker.open_pool()
    deployment.activate(load("grid"))
    yield
    worker.stop(0)
    deployment.deactivate("grid")


def flow_runs_of(client: SyncPrefectClient, record: RunRecord) -> list[str]:
    """The names of the flow runs of a sweep's runs."""
    ours = FlowRunFilter(tags=FlowRunFilterTags(all_=[record.name]))
    return sorted(run.name for run in client.read_flow_runs(flow_run_filter=ours))


def test_runs_that_go_on_in_workers_without_their_sweep_are_waited_for_when_it_is_resumed(
    pool: None, host: SSHD, tmp_path: Path
) -> None:
    worker.start()
    (host.home / "held").touch()
    with spread(tmp_path) as first:
        until(lambda: len(begun(host)) >= 4)
        first.kill()
    record = newest(tmp_path)

    with chiminey("resume", record.id, "--json") as resumed:
        with pytest.raises(subprocess.TimeoutExpired):
            resumed.wait(30)
        (host.home / "held").unlink()
        output, errors = resumed.communicate(timeout=PATIENCE)

    assert resumed.returncode == 0, errors
    assert json.loads(output)["state"] == "completed"
    assert [float(row["sum"]) for row in rows(tmp_path / record.name)] == [6, 7]
    with get_client(sync_client=True) as client:
        assert flow_runs_of(client, record) == [f"grid-{record.id}-1", f"grid-{record.id}-2"]


def test_runs_that_wait_for_a_worker_are_not_handed_out_twice(pool: None, host: SSHD, tmp_path: Path) -> None:
    with get_client(sync_client=True) as client:
        with spread(tmp_path) as first:
            until(lambda: first.poll() is not None or [run for run in sweeps(tmp_path) if len(flow_runs_of(client, run)) == 2])
            first.kill()
        record = newest(tmp_path)

        with chiminey("resume", record.id, "--json") as resumed:
            with pytest.raises(subprocess.TimeoutExpired):
                resumed.wait(30)
            worker.start()
            _, errors = resumed.communicate(timeout=PATIENCE)

        assert resumed.returncode == 0, errors
        assert flow_runs_of(client, record) == [f"grid-{record.id}-1", f"grid-{record.id}-2"]
    assert len(begun(host)) == len(set(begun(host))) == 2 * 4


def test_runs_of_which_somebody_deletes_the_flow_runs_have_failed_and_say_so(pool: None, host: SSHD, tmp_path: Path) -> None:
    with get_client(sync_client=True) as client, spread(tmp_path) as process:
        until(lambda: [run for run in sweeps(tmp_path) if len(flow_runs_of(client, run)) == 2])
        record = newest(tmp_path)
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[record.name]))):
            client.delete_flow_run(run.id)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, errors
    assert "its flow run was deleted" in " ".join(errors.split())
    ledger = Ledger()
    assert {child.status for child in ledger.children(record.id)} == {"failed"}
    ledger.close()
    assert begun(host) == []


def test_a_cancel_reaches_workers_while_the_server_is_away(pool: None, host: SSHD, tmp_path: Path) -> None:
    worker.start()
    (host.home / "held").touch()
    ledger = Ledger()
    with spread(tmp_path) as process:
        until(lambda: len(begun(host)) >= 4)
        record = newest(tmp_path)
        kill_the_server()
        try:
            ledger.request_cancel(record.id)
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 130
            until(lambda: {child.status for child in ledger.children(record.id)} == {"cancelled"})
            assert left_on(host) == []
        finally:
            embedded.ensure()
    ledger.close()


def test_a_run_that_waits_for_a_worker_when_its_sweep_is_cancelled_does_not_begin_when_the_server_is_back(
    pool: None, host: SSHD, tmp_path: Path
) -> None:
    ledger = Ledger()
    with get_client(sync_client=True) as client, spread(tmp_path) as process:
        until(lambda: [run for run in sweeps(tmp_path) if len(flow_runs_of(client, run)) == 2])
        record = newest(tmp_path)
        kill_the_server()
        ledger.request_cancel(record.id)
        process.communicate(timeout=PATIENCE)
    embedded.ensure()
    assert {child.status for child in ledger.children(record.id)} == {"cancelled"}
    ledger.close()

    worker.start()
    with get_client(sync_client=True) as client:
        ours = FlowRunFilter(tags=FlowRunFilterTags(all_=[record.name]))
        until(lambda: {run.state_type for run in client.read_flow_runs(flow_run_filter=ours)} == {StateType.CANCELLED})
    assert begun(host) == []


@pytest.mark.parametrize("by_workers", [True, False])
def test_a_run_that_is_cancelled_when_it_is_just_written_down_does_not_begin(
    pool: None, host: SSHD, tmp_path: Path, by_workers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = Sweep.drive

    def cancelled_first(sweep: Sweep, carry_out: CarryOut) -> None:
        def act(child: RunRecord, view: View) -> None:
            assert reaper.cancel(sweep.ledger, child, load_again) == f"{child.name} had not begun: cleaned up"
            carry_out(child, view)

        drive(sweep, act)

    worker.start()
    swept = {"x": [1, 2], "y": [5]}
    call = flow.call(load("grid"), sweep=swept, compute="lab", output=str(tmp_path), by_workers=by_workers, inputs={})
    with monkeypatch.context() as patch:
        patch.setattr(Sweep, "drive", cancelled_first)
        with pytest.raises(RunFailed, match="no point of the sweep succeeded"):
            asyncio.run(call)
    assert begun(host) == []

    with chiminey("resume", newest(tmp_path).id, "--json") as resumed:  # whoever asks again wants them all the same
        output, errors = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == 0, errors
    assert json.loads(output)["state"] == "completed"


def start(client: SyncPrefectClient, output: Path, **parameters: Any) -> FlowRun:
    """As the Prefect UI does."""
    found = client.read_deployment_by_name("chiminey-sweep-grid/sweep-grid")
    compute = {"$ref": {"block_document_id": str(resources.find("lab")._block_document_id)}}  # pyright: ignore[reportPrivateUsage]
    chosen = {"compute": compute, "output": {"path": str(output)}, **parameters}
    return client.create_flow_run_from_deployment(found.id, parameters=chosen)


def state(client: SyncPrefectClient, run: UUID) -> StateType | None:
    return client.read_flow_run(run).state_type


def test_points_are_checked_before_anything_begins(grid: Path, host: SSHD, tmp_path: Path) -> None:
    before = host.connections()
    with chiminey(
        "sweep", "grid", "--sweep", '{"x": [1, 200, "many"]}', "--compute", "lab", "--output", str(tmp_path)
    ) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "point 2 of the sweep: x: must be less than or equal to 100 (got 200)" in errors
    assert "point 3 of the sweep: x: must be a whole number" in errors
    assert host.connections() == before
    assert not any(tmp_path.iterdir())


def test_a_dry_run_prints_the_count_and_the_points(grid: Path) -> None:
    with chiminey("sweep", "grid", "--sweep", '{"x": [1, 2], "y": [10, 20]}', "--dry-run") as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert output.splitlines()[0] == "4 points"
    assert output.splitlines()[1:] == ['{"x": 1, "y": 10}', '{"x": 1, "y": 20}', '{"x": 2, "y": 10}', '{"x": 2, "y": 20}']


def test_a_sweep_is_a_call_in_python(grid: Path, host: SSHD, tmp_path: Path) -> None:
    result = load("grid").sweep_over({"x": [4, 5]}, compute="lab", output=str(tmp_path), y=1)
    assert (result.state, result.points.completed, result.tasks.completed) == ("completed", 2, 8)
    assert [row["sum"] for row in rows(Path(result.output))] == ["5.0", "6.0"]
