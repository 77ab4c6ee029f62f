"""The program as a whole: what it loads, and how it tells errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.errors import InvalidRequest, Unreachable
from blocks.host import Host
from cli import main, runs
from flows.ledger import Ledger, RunRecord
from flows.ledger.owner import this_process

ROOT = Path(__file__).parents[3]
HEAVY = ("prefect", "sqlalchemy", "paramiko", "rich.progress", "blocks.compute", "blocks.storage", "flows.flow", "flows.engine")


def chiminey(
    home: Path, *words: str, program: str = "from cli.main import main; main()", **given: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHIMINEY_HOME": str(home), "PYTHONPATH": str(ROOT), **given}
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def loaded(home: Path, *words: str) -> set[str]:
    """The modules that a command loads."""
    program = "import sys\nfrom cli.main import main\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    return set(chiminey(home, *words, program=program).stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["jobs"], ["jobs", "--json"], ["connectors"], ["run", "--help"]])
def test_what_is_asked_often_loads_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    assert loaded(tmp_path, *words).isdisjoint(HEAVY)


@pytest.mark.parametrize("words", [["--help"], ["jobs"]])
def test_what_needs_no_models_does_not_load_pydantic(tmp_path: Path, words: list[str]) -> None:
    assert "pydantic" not in loaded(tmp_path, *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run"], "Missing argument"),
        (["jobs", "--wrong"], "No such option"),
        (["show", "nothing"], "error: there is no run 'nothing'; 'chiminey jobs' lists them"),
        (["logs", "nothing", "--task", "1"], "error: there is no run 'nothing'"),
        (["resume", "nothing"], "error: there is no run 'nothing'"),
        (["run", "nonesuch"], "error: there is no connector 'nonesuch'"),
        (["new", "Wrong Name"], "error: a connector can't be called 'Wrong Name'"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(tmp_path: Path, words: list[str], told: str) -> None:
    done = chiminey(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_there_is_no_run_yet(tmp_path: Path) -> None:
    assert chiminey(tmp_path, "jobs").stdout == "No run yet; 'chiminey run randnum' makes one.\n"
    assert chiminey(tmp_path, "jobs", "--json").stdout == "[]\n"


def test_what_machines_cost_is_shown_where_a_run_has_any(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.add(RunRecord("aa11", "sample-aa11", "sample", "{}", status="completed", created=1.0))
    assert "machines" not in chiminey(tmp_path, "jobs").stdout
    assert [row["cost"] for row in json.loads(chiminey(tmp_path, "jobs", "--json").stdout)] == [None]

    lease = ledger.acquire("aa11", this_process())
    assert lease is not None
    lease.host(Host("machine-1", "a.example", machine="i-1", size="t3.micro", price=0.5), "released")
    ledger.add(RunRecord("bb22", "sample-bb22", "sample", "{}", status="completed", created=2.0))
    ledger.close()

    heading, without, with_machine = chiminey(tmp_path, "jobs").stdout.splitlines()
    assert heading.split()[-2:] == ["machines", "message"]
    assert without.split()[0] == "sample-bb22"
    assert with_machine.endswith("0.00 h of t3.micro: 0.00")
    rows = json.loads(chiminey(tmp_path, "jobs", "--json").stdout)
    assert [row["cost"] and list(row["cost"]["machine_seconds"]) for row in rows] == [None, ["t3.micro"]]


def test_a_run_of_a_sweep_that_waits_for_a_worker_is_not_interrupted(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.add(RunRecord("aa11", "sweep-aa11", "sample", '{"points": 2}', kind="sweep", created=1.0))
    ledger.add(RunRecord("aa11-1", "sample-aa11-1", "sample", "{}", parent="aa11", number=1, created=2.0))

    def states() -> dict[str, str]:
        return {row["run_id"]: row["state"] for row in json.loads(chiminey(tmp_path, "jobs", "--all", "--json").stdout)}

    lease = ledger.acquire("aa11", this_process())
    assert lease is not None
    assert states() == {"aa11": "running", "aa11-1": "running"}
    lease.release()
    assert states() == {"aa11": "interrupted", "aa11-1": "interrupted"}
    ledger.close()


def raising(monkeypatch: pytest.MonkeyPatch, error: Exception) -> int:
    """The exit code when a command raises this."""

    def fail(**_settings: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit) as left:
        main.command_line()
    assert isinstance(left.value.code, int)
    return left.value.code


def test_every_problem_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(monkeypatch, InvalidRequest("one is wrong", "two as well")) == 2
    assert capsys.readouterr().err == "error: one is wrong\nerror: two as well\n"


def test_the_class_of_an_error_is_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert raising(monkeypatch, Unreachable("n1 is away")) == 4


def test_what_nobody_foresaw_is_a_sentence_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(monkeypatch, KeyError("x")) == 1
    told = capsys.readouterr().err
    assert "something unexpected went wrong: KeyError" in told
    assert "chiminey --debug" in told

    monkeypatch.setenv("CHIMINEY_DEBUG", "1")
    with pytest.raises(KeyError):
        raising(monkeypatch, KeyError("x"))


@pytest.mark.parametrize(("seconds", "told"), [(0.42, "0.4s"), (59.9, "59.9s"), (61, "1m01s"), (3660, "1h01m")])
def test_how_long_it_took(seconds: float, told: str) -> None:
    assert runs._duration(seconds) == told  # pyright: ignore[reportPrivateUsage]


def test_what_a_library_logs_is_not_heard_on_the_terminal(tmp_path: Path) -> None:
    program = """
import logging
from cli import prefect
prefect.hush()
logging.getLogger("EventsWorker").warning("Still processing items: 3 items remaining...")
"""
    done = chiminey(tmp_path, program=program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("words", [["show", "nothing"], ["sweep", "randnum", "--sweep", "{", "--dry-run"]])
def test_a_failure_is_one_object_too_where_an_object_is_asked_for(tmp_path: Path, words: list[str]) -> None:
    done = chiminey(tmp_path, *words, "--json")
    assert done.returncode == 2
    assert done.stderr == f"error: {json.loads(done.stdout)['error']}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "nonesuch"],
        ["run", "randnum", "--sweep", "-", "--detach"],
        ["sweep", "randnum", "--sweep", "{"],
        ["resume", "nothing"],
        ["retry", "nothing"],
    ],
)
def test_a_run_that_can_not_be_is_told_as_a_result_where_one_is_asked_for(tmp_path: Path, words: list[str]) -> None:
    done = chiminey(tmp_path, *words, "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["state"], result["run_id"]) == (2, "failed", "")
    assert done.stderr == "".join(f"error: {message}\n" for message in result["messages"])


def test_a_server_that_is_configured_and_can_not_be_reached_is_a_sentence(tmp_path: Path) -> None:
    for words in (["run", "randnum"], ["resource", "list"]):
        done = chiminey(tmp_path, *words, "--json", PREFECT_API_URL="http://127.0.0.1:9/api")
        assert done.returncode == 4, done.stderr
        assert "http://127.0.0.1:9/api" in done.stderr
        assert done.stderr.count("\n") == 1
        assert json.loads(done.stdout).keys() & {"error", "messages"}
