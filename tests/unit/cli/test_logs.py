"""What a task prints, asked for at odd moments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.errors import CommandFailed, InvalidRequest
from blocks.host import Host
from cli import logs
from flows.ledger import PayloadTask, RunRecord
from flows.ledger.owner import this_process
from tests.engine import Lab
from tests.payloads import connector


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def sent(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunRecord, list[str]]:
    """A run whose task is known to run, and is just being sent to its host; with it all that is done about that."""
    record = lab.add(lab.request(connector(tmp_path / "c", "true\n"), LocalCompute()))
    lease = lab.ledger.acquire(record.id, this_process())
    assert lease is not None
    lease.host(Host("h1", "here", 1), "ready")
    lease.add_tasks([PayloadTask(1, 0, -1, {}, status="running", attempt=1, host="h1", batch="0-1")])
    done: list[str] = []

    def tail(*_asked: Any) -> None:
        done.append("asked")
        if done.count("asked") < 3:
            raise CommandFailed("there is no such folder")
        done.append("printed")

    monkeypatch.setattr(logs, "_tail", tail)
    monkeypatch.setattr(logs, "_PAUSE", 0.01)
    return record, done


def test_a_task_that_is_on_its_way_to_its_host_is_waited_for(lab: Lab, sent: tuple[RunRecord, list[str]]) -> None:
    record, done = sent
    (task,) = lab.ledger.tasks(record.id)
    logs._live(lab.ledger, record, task, follow=True, stream="stdout")
    assert done == ["asked"] * 3 + ["printed"]


def test_without_follow_it_is_told_as_that(lab: Lab, sent: tuple[RunRecord, list[str]]) -> None:
    record, done = sent
    (task,) = lab.ledger.tasks(record.id)
    with pytest.raises(
        InvalidRequest, match=r"task 1 is on its way to its host; add --follow to wait for it \(there is no such folder\)"
    ):
        logs._live(lab.ledger, record, task, follow=False, stream="stdout")
    assert done == ["asked"]
