"""The embedded server: one of it, safe, found again, gone when told; its worker and its automations."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from blocks.errors import InvalidRequest, NotFound, Unreachable
from blocks.process_start import began
from blocks.server import embedded, environment, process, settings
from blocks.server.process import Process

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds in which what does not hang has come about

FLOWS = """
import asyncio
from pathlib import Path
from time import sleep
from prefect import flow, task

while Path(__file__).with_name("closed").exists():
    sleep(0.1)

@task
def double(number): return 2 * number

@flow(name="chiminey-quick")
async def quick(): return [double(number) for number in range(3)]

@flow(name="chiminey-long")
async def long():
    try:
        open(__file__ + ".begun", "w").close()
        await asyncio.sleep(300)
    finally:
        open(__file__ + ".tidied", "w").close()

@flow(name="reaper")
async def reaper(seconds: int = 0): await asyncio.sleep(seconds)

@flow(name="chiminey-timed")
async def timed(): pass
"""


def _python(script: str) -> subprocess.CompletedProcess[str]:
    """In a fresh process, which knows of our server by nothing but its home."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def _server() -> Process:
    server = embedded.running()
    assert server is not None
    return server


def _until(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (result := true()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.3)
    return result


# -- what is configured: no server needed ------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person who never used Prefect, standing in an empty folder."""
    for name in os.environ:
        if name.startswith("PREFECT_"):
            monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "prefect.settings", raising=False)
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    (tmp_path / "prefect").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_configured(bare: Path) -> None:
    assert not embedded.configured()
    assert embedded.running() is None
    with pytest.raises(NotFound, match="chiminey up"):
        embedded.connect()
    with pytest.raises(NotFound, match="chiminey up"):
        environment.password()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".env", "PREFECT_API_URL='http://elsewhere/api'"),
        ("prefect.toml", "[api]\nurl = 'http://elsewhere/api'"),
        ("pyproject.toml", "[tool.prefect.api]\nurl = 'http://elsewhere/api'"),
        ("prefect/profiles.toml", "active = 'mine'\n[profiles.mine]\nPREFECT_API_URL = 'http://elsewhere/api'"),
    ],
)
def test_a_configured_server_is_used_as_it_is(bare: Path, file: str, text: str) -> None:
    (bare / file).write_text(text)
    before = dict(os.environ)
    assert embedded.configured()
    embedded.connect()
    assert dict(os.environ) == before | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}  # what the automations count on
    assert embedded.url() == "http://elsewhere"


def test_a_configured_server_that_does_not_answer_is_told_by_its_address(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9/api does not answer"):
        embedded.ensure()


def test_the_environment_says_which_profile_and_which_server(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "prefect/profiles.toml").write_text(
        "active = 'none'\n[profiles.none]\n[profiles.site]\nPREFECT_API_URL = 'http://site/api'"
    )
    assert settings.api_url() is None
    monkeypatch.setenv("PREFECT_PROFILE", "site")
    assert settings.api_url() == "http://site/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://mine/api")
    assert settings.api_url() == "http://mine/api"


def test_a_damaged_settings_file_is_named(bare: Path) -> None:
    (bare / "prefect.toml").write_text("[api")
    with pytest.raises(InvalidRequest, match=r"prefect\.toml"):
        embedded.configured()


def test_asking_costs_no_prefect_import(bare: Path) -> None:
    script = "import sys; from blocks.server import embedded; embedded.configured(); embedded.running(); print(*sys.modules)"
    assert "prefect" not in _python(script).stdout.split()


def test_a_reused_process_id_is_not_mistaken() -> None:
    assert not Process(os.getpid(), "long ago").alive
    Process(os.getpid(), "long ago").stop(patience=0.1)


def test_an_interrupt_while_a_process_is_being_started_comes_when_it_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(pid: int) -> str | None:
        signal.raise_signal(signal.SIGINT)
        return began(pid)

    monkeypatch.setattr(process, "began", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.start(["version"], os.environ, tmp_path / "log", tmp_path / "record.json")
    monkeypatch.undo()

    known = process.recall(tmp_path / "record.json")
    assert known is not None
    known.stop(patience=5)


# -- the server --------------------------------------------------------------------------------------------------------


def test_it_is_closed_to_others(embedded_server: None) -> None:
    folder = settings.folder()
    loose: list[str] = []
    for path in [folder, *folder.rglob("*")]:
        with suppress(FileNotFoundError):  # a journal of the database, which comes and goes
            loose += [path.name] if stat.S_IMODE(path.stat().st_mode) & 0o077 else []
    assert loose == []
    command = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(_server().pid)], capture_output=True, text=True, check=True)
    assert environment.password() not in command.stdout
    assert environment.password() not in (folder / "server.log").read_text()
    request = urllib.request.Request(f"{embedded.url()}/api/flows/filter", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request)


def test_the_key_of_stored_secrets_is_not_in_the_database(embedded_server: None) -> None:
    from prefect.blocks.system import Secret

    Secret(value="open sesame").save("cave", overwrite=True)
    assert Secret.load("cave").get() == "open sesame"  # pyright: ignore[reportAttributeAccessIssue]
    stored = b"".join(file.read_bytes() for file in settings.folder().glob("prefect.db*"))
    assert b"open sesame" not in stored
    assert b"fernet_key" not in stored


def test_asking_again_starts_no_second_one(embedded_server: None) -> None:
    script = "from blocks.server import embedded; print(embedded.ensure(), embedded.running().pid)"
    assert _python(script).stdout.split() == ["False", str(_server().pid)]


def test_one_that_is_too_busy_to_answer_is_running_all_the_same(embedded_server: None) -> None:
    server = _server()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert embedded.running() == server
        assert not embedded.answers()
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_it_stands_in_a_session_of_its_own(embedded_server: None) -> None:
    assert os.getsid(_server().pid) != os.getsid(0)
    assert Path(f"/proc/{_server().pid}/cwd").readlink() == settings.folder()


@pytest.mark.parametrize("first", ["", "import prefect", "import prefect.main; prefect.main.flow"])
def test_flows_of_a_fresh_process_are_recorded(embedded_server: None, first: str, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(tmp_path)!r})
{first}
from blocks.server import embedded
embedded.connect()
import flows
from prefect import tags
with tags({tmp_path.name!r}):
    asyncio.run(flows.quick())
from prefect.events.worker import EventsWorker
EventsWorker.instance().wait_until_empty()  # else Prefect may say at the end that it still sends events
"""
    done = _python(script)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    _until(lambda: _task_runs(tmp_path.name) == ["Completed"] * 3)


def test_a_process_that_stands_in_settings_of_its_own_is_connected_too(embedded_server: None) -> None:
    script = """
from prefect.settings import PREFECT_LOGGING_LOG_PRINTS, get_current_settings, temporary_settings
with temporary_settings({PREFECT_LOGGING_LOG_PRINTS: True}):
    from blocks.server import embedded
    embedded.connect()
    print(get_current_settings().api.url, get_current_settings().logging.log_prints)
print(get_current_settings().api.url, get_current_settings().logging.log_prints)
"""
    api = f"{embedded.url()}/api"
    assert _python(script).stdout.split() == [api, "True", api, "False"]


def _task_runs(tag: str) -> list[str]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])))
    return [run.state_name or "" for run in runs]


# -- the worker and the automations ------------------------------------------------------------------------------------


class Site:
    """Flows of a test, deployed to our pool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "flows.py").write_text(FLOWS)

    def deploy(self, name: str, **options: Any) -> UUID:
        from prefect import Flow

        from blocks.server import worker

        flow: Any = Flow.from_source(source=str(self.folder), entrypoint=f"flows.py:{name}")
        return flow.deploy(name=name, work_pool_name=worker.POOL, print_next_steps=False, ignore_warnings=True, **options)

    def run(self, run: UUID) -> Any:
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            return client.read_flow_run(run)

    def emit(self, name: str, run: UUID) -> None:
        """Tell the server what a run of a connector's flow has come to."""
        from prefect.client.orchestration import get_client
        from prefect.events import Event, RelatedResource, Resource

        flow = {"resource.id": f"prefect.flow.{uuid4()}", "resource.role": "flow", "resource.name": "chiminey-any"}
        event = Event(
            event=name,
            resource=Resource({"prefect.resource.id": f"prefect.flow-run.{run}"}),
            related=[RelatedResource({f"prefect.{name}": value for name, value in flow.items()})],
        )
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])

    def states(self, flow: str) -> list[str]:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowFilter, FlowFilterName

        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))
        return [run.state_name or "" for run in runs]


@pytest.fixture(scope="module")
def site(embedded_server: None, tmp_path_factory: pytest.TempPathFactory) -> Site:
    from blocks.server import worker

    worker.open_pool()
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def running_worker(embedded_server: None) -> Iterator[Process]:
    from blocks.server import worker

    # As in a background job of a shell: what is started from here must hear SIGINT all the same.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert worker.start()
    finally:
        signal.signal(signal.SIGINT, before)
    process_ = worker.running()
    assert process_ is not None
    yield process_
    process_.stop(patience=10.0)


def test_a_schedule_makes_runs(site: Site) -> None:
    site.deploy("timed", interval=timedelta(hours=1))
    _until(lambda: "Scheduled" in site.states("chiminey-timed"))


def test_a_stopping_worker_lets_its_runs_tidy_up_and_the_reaper_is_called(
    site: Site, running_worker: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.deployments import run_deployment

    from blocks.server import automations, worker

    monkeypatch.setattr(worker, "_CLEAN_UP", 250.0)
    reaper = site.deploy("reaper")
    site.deploy("long")
    automations.install(reaper)
    assert not worker.start()
    run: Any = run_deployment("chiminey-long/long", timeout=0)
    reaping: Any = run_deployment("reaper/reaper", timeout=0, parameters={"seconds": 300})
    _until((site.folder / "flows.py.begun").exists)
    _until(lambda: site.run(reaping.id).state_name == "Running")

    assert worker.stop(patience=1.0) == [run.name], "a reaping is nobody's run"
    assert not running_worker.alive
    assert [site.run(each.id).state_name for each in (run, reaping)] == ["Cancelled"] * 2
    assert (site.folder / "flows.py.tidied").exists()
    _until(lambda: len(site.states("reaper")) == 2)


def test_an_event_that_comes_while_the_database_is_busy_is_heard_once(site: Site) -> None:
    """Of Prefect's own transactions, those that read before they write fail at once, and again, until the event is given up."""
    from blocks.server import automations

    automations.install(site.deploy("reaper"))
    reapings = len(site.states("reaper"))
    run = uuid4()
    log = settings.folder() / "server.log"
    before = log.stat().st_size
    with closing(sqlite3.connect(settings.folder() / "prefect.db", timeout=60.0, isolation_level=None)) as database:
        site.emit("prefect.flow-run.heartbeat", run)
        watched = f"SELECT * FROM automation_bucket WHERE bucketing_key LIKE '%{run}%'"
        _until(lambda: database.execute(watched).fetchall())
        database.execute("BEGIN IMMEDIATE")
        site.emit("prefect.flow-run.Cancelled", run)
        time.sleep(5.0)  # in which four tries are over
        database.execute("COMMIT")
    _until(lambda: len(site.states("reaper")) > reapings)
    time.sleep(2.0)
    assert len(site.states("reaper")) == reapings + 1
    assert b"database is locked" not in log.read_bytes()[before:]


def test_what_is_saved_while_the_database_is_busy_waits_for_its_turn(embedded_server: None) -> None:
    """A browser is not told to try again as Prefect's own clients are."""
    from prefect.blocks.system import Secret
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        Secret.register_type_and_schema(client=client)  # pyright: ignore[reportCallIssue]
        kind = client.read_block_type_by_slug("secret").id
        schema = client.get_most_recent_block_schema_for_block_type(kind)
        assert schema is not None
    document = {"name": "late", "data": {"value": "x"}, "block_type_id": str(kind), "block_schema_id": str(schema.id)}
    login = tuple(environment.password().partition(":")[::2])
    with (
        closing(sqlite3.connect(settings.folder() / "prefect.db", timeout=60.0, isolation_level=None)) as database,
        ThreadPoolExecutor(1) as pool,
    ):
        database.execute("BEGIN IMMEDIATE")
        saving = pool.submit(httpx.post, f"{embedded.url()}/api/block_documents/", json=document, auth=login, timeout=PATIENCE)
        time.sleep(2.0)
        assert not saving.done()
        database.execute("COMMIT")
        assert saving.result().status_code == 201, saving.result().text


def test_what_a_killed_worker_left_is_crashed_by_the_next_and_keeps_none_waiting(site: Site, running_worker: Process) -> None:
    from prefect.deployments import run_deployment

    from blocks.server import worker

    site.deploy("long", concurrency_limit=1)
    (site.folder / "closed").touch()
    first: Any = run_deployment("chiminey-long/long", timeout=0)
    _until(lambda: site.run(first.id).infrastructure_pid)  # it is Pending: it has a process, and no heartbeat yet
    running_worker.stop(patience=120.0)
    assert not site.run(first.id).state.is_final(), "nobody has told the server"

    second: Any = run_deployment("chiminey-long/long", timeout=0)
    assert worker.start()
    assert site.run(first.id).state_name == "Crashed"
    (site.folder / "closed").unlink()
    _until(lambda: site.run(second.id).state_name == "Running")
    assert worker.stop(patience=0.0) == [second.name]


def test_what_another_worker_of_the_pool_runs_goes_on_when_ours_is_stopped(site: Site, running_worker: Process) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from blocks.server import worker

    deployment = site.deploy("long")
    with get_client(sync_client=True) as client:
        theirs = client.create_flow_run_from_deployment(deployment, state=Running())
        client.update_flow_run_labels(theirs.id, {"prefect.worker.name": "of somebody else"})
        assert worker.stop(patience=0.0) == []
        assert client.read_flow_run(theirs.id).state_name == "Running"
        assert not client.read_work_pool(worker.POOL).is_paused
        client.delete_flow_run(theirs.id)


def test_parameters_may_be_as_long_as_a_sweep_is(site: Site) -> None:
    from prefect.client.orchestration import get_client

    deployment = site.deploy("quick", enforce_parameter_schema=False)
    with get_client(sync_client=True) as client:
        made = client.create_flow_run_from_deployment(deployment, parameters={"sweep": {"x": ["0123456789"] * 100_000}})
        assert len(client.read_flow_run(made.id).parameters["sweep"]["x"]) == 100_000
        client.delete_flow_run(made.id)


def test_automations_are_installed_once(site: Site) -> None:
    from prefect.client.orchestration import get_client

    from blocks.server import automations

    def installed() -> dict[UUID, Any]:
        with get_client(sync_client=True) as client:
            return {each.id: each for each in client.read_automations()}

    automations.install(site.deploy("reaper"))
    before = installed()
    automations.install(site.deploy("reaper"))
    assert installed() == before
    other = site.deploy("quick")
    automations.install(other)
    assert installed().keys() == before.keys()
    assert other in [getattr(action, "deployment_id", None) for each in installed().values() for action in each.actions]


# -- the end, and many beginnings at once ------------------------------------------------------------------------------


def test_two_that_start_it_at_once_get_one_and_stop_leaves_nothing(embedded_server: None) -> None:
    """Each in a process that ends at once: the server outlives the one that started it, and is found where it was."""
    former, address = _server(), embedded.url()
    embedded.stop()
    assert embedded.running() is None
    assert began(former.pid) is None

    script = "from blocks.server import embedded; print(embedded.ensure(), embedded.running().pid)"
    with ThreadPoolExecutor(2) as pool:
        told = [done.stdout.split() for done in pool.map(_python, [script, script])]
    assert sorted(started for started, _ in told) == ["False", "True"]
    assert {pid for _, pid in told} == {str(_server().pid)}
    assert embedded.url() == address
