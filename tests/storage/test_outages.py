"""Runs whose store goes away: for a while, which is waited out, and for longer, after which resuming completes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session  # pyright: ignore[reportMissingTypeStubs]

from blocks.errors import ResourceError
from blocks.storage import ObjectStorage
from flows.ledger import RunRecord
from tests.engine import Lab
from tests.servers.sshd import SSHD
from tests.servers.swift import Swift
from tests.storage import controller
from tests.storage.object_storages import by_s3, with_settings
from tests.storage.test_kills import asked, check

pytestmark = [pytest.mark.ssh, pytest.mark.slow]

WAYS = ["through this machine", "directly"]
PLACES = ["/input_0/", "/output_0/", "/large", "/input_1/", "/output/", "/tasks.json", "/ro-crate"]  # at which it goes away
TASKS = 5
AWAY = 5.0  # seconds


@pytest.fixture
def storage(request: pytest.FixtureRequest, swift: Swift) -> Iterator[ObjectStorage]:
    storage = with_settings(by_s3(swift), direct=request.param == "directly")
    yield storage
    storage.close()
    swift.come_back()


def before(monkeypatch: pytest.MonkeyPatch, is_time: Callable[[int, str], bool], act: Callable[[], None]) -> None:
    """Act before each change of the store for which it is time, by its number from 1 on and its URL."""
    send, lock, seen = URLLib3Session.send, threading.Lock(), 0

    def sent(session: URLLib3Session, request: Any) -> Any:
        nonlocal seen
        with lock:
            if request.method != "GET":
                seen += request.method != "HEAD"
                if is_time(seen, request.url):
                    act()
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", sent)


def go(lab: Lab, record: RunRecord, folder: Path) -> str:
    """Drive the run to its end, and say how it ended."""
    return lab.drive(record, controller.proposal(record, folder / "connector")).state


@pytest.mark.parametrize("storage", WAYS, indirect=True)
def test_one_that_is_away_for_some_seconds_again_and_again_is_waited_for(
    storage: ObjectStorage, swift: Swift, hosts: list[SSHD], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    record = asked(lab, storage, hosts[:2], tmp_path, tasks=TASKS)
    moments, due, gone = [1, 12, 40, 70], threading.Event(), threading.Event()

    def leave() -> None:
        gone.clear()
        due.set()
        gone.wait()

    before(monkeypatch, lambda number, _url: bool(moments) and number >= moments[0] and bool(moments.pop(0)), leave)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(go, lab, record, tmp_path)
        while not running.done():
            if due.wait(0.1):
                due.clear()
                swift.go_away()
                gone.set()
                time.sleep(AWAY)
                swift.come_back()  # which ends with the thread that calls it
    assert (running.result(), moments) == ("completed", [])
    check(lab, record, storage, swift, hosts[:2], TASKS)


@pytest.mark.parametrize(
    ("storage", "place"), [*((WAYS[0], place) for place in PLACES), (WAYS[1], "/large")], indirect=["storage"]
)
def test_one_that_stays_away_ends_the_run_in_a_sentence_and_resuming_completes_it(
    storage: ObjectStorage, swift: Swift, hosts: list[SSHD], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    lab = Lab(tmp_path)
    record = asked(lab, storage, hosts[:2], tmp_path, tasks=TASKS)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("blocks.patience.PATIENCE", 1.0)
        meanwhile.setattr("blocks.patience.DOUBT", 1.0)
        left = list[str]()

        def is_time(_number: int, url: str) -> bool:
            return not left and place in url and not left.append(url)

        before(meanwhile, is_time, swift.go_away)
        if place in ("/tasks.json", "/ro-crate"):  # the computation has ended
            assert go(lab, record, tmp_path) == "completed"
            assert f"chiminey resume {record.name}" in " ".join(lab.view.messages)
        else:
            with pytest.raises(ResourceError, match="can't be reached"):
                go(lab, record, tmp_path)
            ended = lab.ledger.run(record.id)
            assert ended is not None
            assert ended.status == "failed"
    assert left
    swift.come_back()
    assert go(lab, record, tmp_path) == "completed"
    check(lab, record, storage, swift, hosts[:2], TASKS, again=True)
