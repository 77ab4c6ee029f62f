"""A ledger that can't be written for a moment: whoever writes is told so, and goes on with it when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blocks.errors import RunCancelled
from flows import control
from flows.control import Control
from flows.ledger import Lease, Ledger, RunRecord
from flows.ledger.database import Database, LedgerUnavailable
from tests.full_disk import full_disk

PATIENCE = 250.0  # seconds in which what does not hang has come about


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.add(RunRecord("aa11", "sample-aa11", "sample", "{}"))
    yield ledger
    ledger.close()


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    lease = ledger.acquire("aa11", "elsewhere|1|-|a")
    assert lease is not None
    return lease


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def test_a_full_disk_is_told_as_such_and_forgotten_when_there_is_room_again(ledger: Ledger, lease: Lease) -> None:
    with full_disk(), pytest.raises(LedgerUnavailable, match=r"the ledger can't be written: .*; is its disk full"):
        lease.save('{"by": 1}')

    lease.save('{"by": 2}')

    kept = ledger.run("aa11")
    assert kept is not None
    assert kept.state == '{"by": 2}'


def test_the_lease_is_kept_and_a_cancel_heard_after_the_disk_was_full(
    ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed: list[Exception] = []

    def renew() -> bool:
        try:
            return Lease.renew(lease)
        except Exception as error:
            missed.append(error)
            raise

    monkeypatch.setattr(control, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(lease, "renew", renew)
    keeper = Control(lease)
    with full_disk():
        until(lambda: len(missed) > 0)
    ledger.request_cancel("aa11")

    def is_cancelled() -> bool:
        try:
            keeper.check()
        except RunCancelled:
            return True
        return False

    until(is_cancelled)
    keeper.close()


def test_whatever_a_view_answers_the_lease_is_kept(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []

    def odd() -> bool:
        asked.append(None)
        raise RuntimeError("a library's mistake")

    monkeypatch.setattr(control, "HEARTBEAT_SECONDS", 0.01)
    keeper = Control(lease, odd)
    until(lambda: len(asked) > 2)
    keeper.check()
    keeper.close()


def test_a_cancel_elsewhere_is_heard_also_while_the_ledger_can_not_be_written(
    lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable() -> bool:
        raise LedgerUnavailable("its disk is full")

    monkeypatch.setattr(control, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(lease, "renew", unavailable)
    keeper = Control(lease, lambda: True)
    with pytest.raises(RunCancelled):
        keeper.sleep(60)
    keeper.close()


def test_a_ctrl_c_right_behind_the_beginning_of_a_transaction_leaves_none_open(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Database._begin  # pyright: ignore[reportPrivateUsage]

    def interrupted(database: Database) -> object:
        begin(database)
        raise KeyboardInterrupt

    database = Database(ledger_url)
    with monkeypatch.context() as patch:
        patch.setattr(Database, "_begin", interrupted)
        with pytest.raises(KeyboardInterrupt):
            database.select("SELECT count(*) AS number FROM runs")

    if ledger_url.startswith("postgresql"):  # which only warns of the next beginning
        waiting = "SELECT count(*) AS number FROM pg_stat_activity WHERE state = 'idle in transaction'"
        other = Database(ledger_url)
        assert other.select(waiting) == [{"number": 0}]
        other.close()
    assert database.select("SELECT count(*) AS number FROM runs") == [{"number": 0}]
    database.close()


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_a_server_that_ends_in_the_midst_of_a_transaction_is_reached_again(ledger_url: str) -> None:
    database = Database(ledger_url)
    with pytest.raises(LedgerUnavailable, match="the ledger can't be written: "), database.transaction() as execute:
        execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with database.transaction() as execute:
        assert execute("SELECT count(*) AS number FROM runs") == [{"number": 0}]
    database.close()


def test_a_mistake_in_a_statement_is_no_matter_of_the_disk(ledger_url: str) -> None:
    database = Database(ledger_url)
    with pytest.raises(Exception, match="nowhere") as raised, database.transaction() as execute:
        execute("SELECT nowhere FROM runs")

    assert not isinstance(raised.value, LedgerUnavailable)
    with database.transaction() as execute:
        assert execute("SELECT count(*) AS number FROM runs") == [{"number": 0}]
    database.close()
