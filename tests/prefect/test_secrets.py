"""Secrets are marked and then looked for: in the server's database, logs, artifacts, records, process lists and on hosts."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, LogFilter, LogFilterFlowRunId
from psycopg import sql
from pydantic import SecretStr

from blocks.home import home
from flows import resources
from flows.ledger import Ledger
from tests.engine import left_on, unix
from tests.files import contents
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
PLAIN = "Plain-5b1d"  # an input and no secret: where it is not found, nobody has looked
PASSWORD, WRONG, PASSPHRASE, LEDGER = "Mark-1a2b-password", "Mark-3c4d-wrong", "Mark-7f3c-passphrase", "Mark-9e0d-ledger"

DECLARED = """
name = "guarded"
arguments = ["end"]

[inputs.end]
type = "text"
default = "well"

[inputs.note]
type = "text"
default = ""
"""

MAIN = """
env >"$2/environment"
[ "$3" != badly ] || { env >&2; exit 3; }
[ "$3" != never ] || sleep 600
"""


@dataclass
class Traces:
    """What everything that was done has left, and the secrets that took part in it."""

    hosts: list[SSHD]
    output: Path
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    spoken: list[str] = field(default_factory=list[str])
    processes: set[str] = field(default_factory=set[str])
    ledger: str = ""

    def chiminey(self, *words: str, code: int = 0, input: str = "") -> str:
        """A command as from a terminal, which must end like this; what it prints."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        command = [sys.executable, "-m", "cli", *words]
        ran = subprocess.run(command, input=input, env=own, capture_output=True, text=True, check=False, timeout=300)
        self.spoken += [ran.stdout, ran.stderr]
        assert ran.returncode == code, ran.stderr
        return ran.stdout

    def in_text(self, text: str) -> set[str]:
        """Which secrets are in a text; and the mark that is none."""
        return {what for what, secret in self._marks().items() if secret in text}

    def in_files(self, place: Path) -> set[str]:
        """Which secrets are in the files of a folder, and in which; files that are there to hold a secret are left out."""
        found: set[str] = set()
        for path, content in contents(place):
            if path.suffix != ".secret":
                found |= {
                    what if what == "plain" else f"{what} in {path}"
                    for what, secret in self._marks().items()
                    if secret.encode() in content
                }
        return found

    def _marks(self) -> dict[str, str]:
        return {"plain": PLAIN, **self.secrets}


@pytest.fixture(scope="module")
def ledger_url(postgresql: str) -> str:
    """A database of its own, behind a password that its server takes and does not need."""
    name = f"secrets_{secrets.token_hex(4)}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return postgresql.replace("postgres@/postgres", f"postgres:{LEDGER}@/{name}")


@pytest.fixture(scope="module")
def hosts(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SSHD]]:
    """Two hosts that let in by password and by key."""
    farm = Farm(tmp_path_factory.mktemp("guarded"), first=31)
    files = "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys\n"
    yield farm(2, password=PASSWORD, config=files)
    farm.stop()


@pytest.fixture(scope="module")
def traces(embedded_server: None, ledger_url: str, hosts: list[SSHD], tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """Everything is done once, with secrets wherever there may be one, while somebody looks at the process list."""
    folder = tmp_path_factory.mktemp("secrets")
    process = folder / "guarded" / "payload" / "process_payload"
    process.mkdir(parents=True)
    (folder / "guarded" / "connector.toml").write_text(DECLARED)
    (process / "main.sh").write_text(MAIN)
    traces = Traces(hosts, folder / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIMINEY_PATH", str(folder / "guarded"))
        patch.setenv("CHIMINEY_LEDGER", ledger_url)
        patch.setenv("PYTHONPATH", str(ROOT))
        locked_key = with_passphrase(hosts[0].private_key, folder / "key")  # its own command line shows the passphrase
        with watched(traces.processes):
            save_resources(traces, locked_key)
            run_everything(traces)
    with psycopg.connect(ledger_url) as connection:
        traces.ledger = "\n".join(rows(connection))
    return traces


def with_passphrase(private_key: Path, copy: Path) -> str:
    """The text of the key, as it is with a passphrase."""
    copy.write_bytes(private_key.read_bytes())
    copy.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", PASSPHRASE, "-f", copy], check=True, capture_output=True)
    return copy.read_text()


def save_resources(traces: Traces, locked_key: str) -> None:
    """By a password that becomes a key, for tasks and for results; by a key with a passphrase, beside a password."""
    computing, storing = traces.hosts
    login = "{0.user}@{0.address}:{0.port}".format
    add = ("resource", "add")
    asked = ("--password", "--accept-host-key")
    traces.chiminey(*add, "unix", "lab", f"host={login(computing)}", *asked, input=f"{WRONG}\n", code=4)
    traces.chiminey(*add, "unix", "lab", f"host={login(computing)}", *asked, input=f"{PASSWORD}\n")
    traces.chiminey(*add, "sftp", "vault", f"host={login(storing)}", "path=kept", *asked, input=f"{PASSWORD}\n")
    locked = unix(computing)
    locked.private_key_file, locked.private_key = None, SecretStr(locked_key)
    locked.passphrase, locked.password = SecretStr(PASSPHRASE), SecretStr(PASSWORD)
    resources.save("locked", locked)
    for name in ("lab", "vault", "locked"):
        text: str = cast(Any, resources.find(name)).private_key.get_secret_value()
        traces.secrets[f"the key of {name}"] = text.splitlines()[3]
    traces.secrets |= {file.name: file.read_text() for file in home().rglob("*.secret")}
    traces.secrets |= {"password": PASSWORD, "wrong password": WRONG, "passphrase": PASSPHRASE, "ledger's password": LEDGER}


def run_everything(traces: Traces) -> None:
    """Here and there, well and badly, swept, cancelled and detached; and all that can be shown is shown."""
    run = ("run", "guarded", "--json", "--set", f"note={PLAIN}")
    kept, here = ("--output", "vault/results"), ("--output", str(traces.output))
    detached = json.loads(traces.chiminey(*run, *here, "--detach"))
    traces.chiminey(*run, "--compute", "lab", *kept)
    traces.chiminey(*run, "--compute", "locked", *here, "--set", "end=badly", "--max-retry", "0", code=1)
    traces.chiminey(*run, *here, "--set", "end=badly", "--max-retry", "0", code=1)
    points = json.dumps({"note": [PLAIN, "another"]})
    traces.chiminey("sweep", "guarded", "--sweep", points, "--compute", "locked", *kept, "--json")
    endless = json.loads(traces.chiminey(*run, "--compute", "lab", *kept, "--set", "end=never", "--detach"))
    until(lambda: any("sleep 600" in line for line in traces.hosts[0].processes()))
    traces.chiminey("cancel", endless["run_id"])
    with closing(Ledger()) as ledger:
        until(lambda: ledger.find(endless["run_id"]).status == "cancelled")
        until(lambda: ledger.find(detached["run_id"]).status == "completed")
    for name in ("lab", "locked"):
        traces.chiminey("resource", "show", name)
    traces.chiminey("--debug", "show", endless["run_id"])


@contextmanager
def watched(seen: set[str]) -> Generator[None]:
    """Collect every command line of this machine, and the environment of all that belongs to a run."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    seen.add((process / "cmdline").read_text(errors="replace"))
                    environment = (process / "environ").read_text(errors="replace")
                except OSError:  # it has ended
                    continue
                if "CHIMINEY_RUN_ID" in environment:
                    seen.add(environment)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def until(true: Callable[[], Any], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def rows(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Every row of every table."""
    names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (name,) in names:
        query = sql.SQL("SELECT row_to_json(each)::text FROM {} AS each").format(sql.Identifier(name))
        yield from (row for (row,) in connection.execute(query))


def told_by_the_server() -> str:
    """Flow runs with their parameters and states, task runs, log lines, artifacts and resources, as the API shows them."""
    ours = FlowRunFilter(name=FlowRunFilterName(like_="guarded"))
    with get_client(sync_client=True) as client:
        flow_runs = client.read_flow_runs(flow_run_filter=ours)
        logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id for run in flow_runs]))
        shown: list[Any] = [
            *flow_runs,
            *client.read_task_runs(flow_run_filter=ours),
            *client.read_logs(log_filter=logs),
            *client.read_artifacts(flow_run_filter=ours),
            *client.read_block_documents(include_secrets=False),
        ]
        for run in flow_runs:
            shown += client.read_flow_run_states(run.id)
    return "\n".join(each.model_dump_json() for each in shown)


def test_no_secret_is_in_the_process_list_or_in_the_environment_of_payloads(traces: Traces) -> None:
    assert traces.in_text("\n".join(traces.processes)) == {"plain"}


@pytest.mark.parametrize("setting", ["password", "passphrase", "private_key"])
def test_a_secret_is_not_taken_from_the_command_line(traces: Traces, setting: str) -> None:
    traces.chiminey("resource", "add", "unix", "typed", "host=127.0.0.1:9", f"{setting}={PASSWORD}", code=2)
    assert f"error: {setting}: all users of this machine could read it" in traces.spoken[-1]


def test_no_secret_is_printed(traces: Traces) -> None:
    assert traces.in_text("\n".join(traces.spoken)) <= {"plain"}


def test_no_secret_is_in_the_databases_logs_and_state_files_of_the_home(traces: Traces) -> None:
    assert traces.in_files(home()) == {"plain"}


def test_no_secret_is_in_the_ledger(traces: Traces) -> None:
    assert traces.in_text(traces.ledger) == {"plain"}


def test_no_secret_is_in_what_the_server_tells_of_runs_and_resources(traces: Traces) -> None:
    assert traces.in_text(told_by_the_server()) == {"plain"}


def test_no_secret_is_in_results_on_this_machine(traces: Traces) -> None:
    assert list(traces.output.rglob("environment")), "what the payload saw, here"
    assert traces.in_files(traces.output) == {"plain"}


def test_no_secret_is_on_hosts_and_in_results_there(traces: Traces) -> None:
    computing, storing = traces.hosts
    assert list(storing.home.rglob("environment")), "what the payload saw, on a host"
    assert traces.in_files(storing.home) == {"plain"}
    assert traces.in_files(computing.home) == set()
    assert left_on(computing) == []
    assert not any((computing.home / ".chiminey").iterdir())
    assert traces.in_text("".join(host.log.read_text() for host in traces.hosts)) == set()
