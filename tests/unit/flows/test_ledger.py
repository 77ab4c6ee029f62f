"""The ledger, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from blocks.errors import InvalidRequest, LeaseLost
from blocks.host import Host
from flows.ledger import Lease, Ledger, PayloadTask, RunRecord
from flows.ledger.database import LedgerUnavailable
from flows.ledger.lease import LEASE_SECONDS
from flows.ledger.owner import is_gone, this_process
from flows.ledger.schema import VERSION


def record(identity: str, name: str = "sample") -> RunRecord:
    return RunRecord(identity, f"{name}-{identity}", name, "{}")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def held(ledger: Ledger, run: str, owner: str = "elsewhere|1|-|a") -> Lease:
    lease = ledger.acquire(run, owner)
    assert lease is not None
    return lease


def test_a_run_is_owned_by_one_controller_at_a_time(ledger: Ledger) -> None:
    ledger.add(record("aa11"))

    held(ledger, "aa11", "elsewhere|1|-|a")

    assert ledger.acquire("aa11", "elsewhere|2|-|b") is None


def test_a_controller_of_this_machine_that_is_gone_is_replaced_at_once(ledger: Ledger) -> None:
    ledger.add(record("aa11"))
    machine, _process, _started, _ = this_process().split("|")
    dead = f"{machine}|999999|1|x"
    held(ledger, "aa11", dead)

    assert is_gone(dead)
    assert ledger.acquire("aa11", this_process()) is not None


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_who_is_dead_is_not_judged_by_a_clock_that_is_an_hour_ahead(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.add(record("aa11"))
    held(ledger, "aa11", "elsewhere|1|-|a")
    right = time.time

    monkeypatch.setattr(time, "time", lambda: right() + 3600)

    assert ledger.is_owned(ledger.find("aa11"))
    assert ledger.acquire("aa11", "fast|1|-|b") is None


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_a_lease_is_no_longer_for_a_clock_that_is_an_hour_ahead(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.add(record("aa11"))
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 3600)

    held(ledger, "aa11", "fast|1|-|a").renew()

    monkeypatch.undo()
    assert ledger.find("aa11").lease_until < right() + 2 * LEASE_SECONDS


def test_the_number_of_a_process_says_nothing_in_another_container_of_the_machine(namespaces: None) -> None:
    ask = "import sys; from flows.ledger.owner import this_process; print(this_process(), flush=True); sys.stdin.read()"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", ask]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as container:
        assert container.stdin is not None
        assert container.stdout is not None
        owner = container.stdout.readline().strip()
        gone = is_gone(owner)
        container.stdin.close()

    assert owner.split("|")[1] == "1"
    assert not gone


def test_who_lost_the_lease_writes_nothing_any_more(ledger: Ledger) -> None:
    ledger.add(record("aa11"))
    first = held(ledger, "aa11", "elsewhere|1|-|a")
    first.release()
    second = held(ledger, "aa11", "elsewhere|2|-|b")
    second.save('{"by": 2}')

    with pytest.raises(LeaseLost):
        first.save('{"by": 1}')
    with pytest.raises(LeaseLost):
        first.add_tasks([PayloadTask(1, 0, -1)])

    kept = ledger.run("aa11")
    assert kept is not None
    assert kept.state == '{"by": 2}'
    assert ledger.tasks("aa11") == []


def test_a_batch_is_known_before_it_is_submitted_with_the_tasks_it_takes(ledger: Ledger) -> None:
    ledger.add(record("aa11"))
    lease = held(ledger, "aa11")
    tasks = [PayloadTask(number, 0, -1, {"x": number, "name": "é'"}) for number in range(1, 4)]
    lease.add_tasks(tasks)
    for task in tasks:
        task.move("running")
        task.batch, task.attempt = "b1", 1

    lease.update_tasks(tasks)

    assert ledger.tasks("aa11", 0) == tasks


def test_a_cancel_is_heard_with_the_next_beat(ledger: Ledger) -> None:
    ledger.add(record("aa11"))
    lease = held(ledger, "aa11")

    assert lease.renew() is False
    ledger.request_cancel("aa11")
    assert lease.renew() is True


def test_a_run_is_found_by_a_unique_start_of_its_name_or_id(ledger: Ledger) -> None:
    ledger.add(record("aa11"))
    ledger.add(record("ab22", "other"))

    assert ledger.find("aa").id == "aa11"
    assert ledger.find("other-a").id == "ab22"
    with pytest.raises(InvalidRequest, match="several runs"):
        ledger.find("a")
    with pytest.raises(InvalidRequest, match="chiminey jobs"):
        ledger.find("zz")


def test_ten_thousand_tasks_are_written_in_one_go(ledger: Ledger) -> None:
    ledger.add(record("aa11"))
    lease = held(ledger, "aa11")

    lease.add_tasks(PayloadTask(number, 0, -1, {"n": number}) for number in range(1, 10_001))

    assert ledger.counts()["aa11"] == {"pending": 10_000}


def test_the_files_of_a_place_are_those_that_were_brought_there_last(ledger: Ledger) -> None:
    ledger.add(record("a"))
    lease = held(ledger, "a")

    lease.keep_files({"output_0/1": {"1/ü": (3, "ab"), "1/old": (0, "cd")}, "output_0/2": {}})
    lease.keep_files({"output_0/1": {"1/ü": (4, "ef")}})

    assert ledger.files("a") == {"output_0/1": {"1/ü": (4, "ef")}, "output_0/2": {}}
    assert ledger.files("b") == {}


def test_only_the_owner_of_the_file_may_read_it(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path}/private/ledger.db").close()

    assert (tmp_path / "private" / "ledger.db").stat().st_mode & 0o077 == 0


def test_of_many_controllers_that_want_a_run_at_the_same_moment_one_gets_it(ledger: Ledger, ledger_url: str) -> None:
    ledger.add(record("aa11"))
    ready = threading.Barrier(6)
    won: list[str] = []

    def want(owner: str) -> None:
        own = Ledger(ledger_url)
        ready.wait()
        if own.acquire("aa11", owner) is not None:
            won.append(owner)
        own.close()

    threads = [threading.Thread(target=want, args=(f"elsewhere|{number}|-|a",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    holder = ledger.run("aa11")
    assert holder is not None
    assert holder.owner == won[0]


def test_a_sweep_stands_for_its_runs_and_is_found_before_them(ledger: Ledger) -> None:
    ledger.add(replace(record("aa11", "sweep-sample"), kind="sweep"))
    for number, status in ((2, "completed"), (1, "failed"), (3, "completed-with-failures")):
        ledger.add(replace(record(f"aa11-{number}"), status=status, parent="aa11", number=number))

    assert [run.id for run in ledger.top()] == ["aa11"]
    assert [child.number for child in ledger.children("aa11")] == [1, 2, 3]
    assert ledger.statuses("aa11") == {"completed": 2, "failed": 1}
    assert ledger.find("aa").kind == "sweep"
    assert ledger.find("sample-aa11-2").id == "aa11-2"


def test_what_may_have_left_something_is_found_without_looking_at_every_run(ledger: Ledger) -> None:
    ledger.add(record("aa11"))
    for identity, status in (("bb22", "released"), ("cc33", "lost")):
        ledger.add(replace(record(identity), status="failed"))
        held(ledger, identity).host(Host("h", "lab", 1), status)

    assert {run.id for run in ledger.unfinished()} == {"aa11", "cc33"}


@pytest.mark.parametrize(("version", "told"), [(VERSION - 1, "an older Chiminey"), (VERSION + 1, "a newer Chiminey")])
def test_a_ledger_of_another_version_is_refused_with_what_to_do(tmp_path: Path, version: int, told: str) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        other.execute("CREATE TABLE ledger (version INTEGER NOT NULL)")
        other.execute("INSERT INTO ledger VALUES (?)", [version])
        other.commit()

    with pytest.raises(LedgerUnavailable, match=told):
        Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.mark.parametrize("password", ["100%Mark", "Mark word", "p@Mark:word", "p@Markword", "Mark/word", "x@y/Mark"])
def test_an_address_whose_password_is_not_encoded_is_refused_without_showing_it(password: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(LedgerUnavailable, match="percent-encoded") as refused:
        Ledger(f"postgresql://me:{password}@127.0.0.1:1/ledger")
    assert "Mark" not in str(refused.value)
    assert refused.value.__context__ is None, "what the driver said of it would be in a traceback"


def test_machines_are_told_apart_from_other_hosts_and_counted_for_their_sweep_too(ledger: Ledger) -> None:
    ledger.add(replace(record("aa11"), parent="sweep"))
    lease = held(ledger, "aa11")
    lease.host(Host("a.example", "a.example"), "ready")
    lease.host(Host("machine-1", ""), "wanted")
    lease.host(Host("machine-2", "b.example", machine="i-2", size="small"), "ready")

    found = ledger.machines()

    assert {run: [host.id for host in hosts] for run, hosts in found.items()} == {"aa11": ["machine-2"], "sweep": ["machine-2"]}
