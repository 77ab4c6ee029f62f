"""The same on all hosts at once: who answers in the time allowed is heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from blocks.errors import Unreachable
from blocks.host import Host
from flows.all_hosts import on_all_hosts

HERE, THERE = Host("here", "here"), Host("there", "there")


@pytest.fixture
def never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_host_that_does_not_answer_in_time_has_no_entry(never: threading.Event) -> None:
    answers = on_all_hosts([HERE, THERE], lambda host: host == HERE or never.wait(), lambda: None, 1.0)
    assert answers == {HERE: True}


def test_an_error_of_one_host_is_its_answer() -> None:
    def act(host: Host) -> str:
        if host == THERE:
            raise Unreachable("it is away")
        return "done"

    answers = on_all_hosts([HERE, THERE], act, lambda: None)
    assert (answers[HERE], str(answers[THERE])) == ("done", "it is away")


def test_hosts_have_their_time_also_when_this_machine_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.countdown.monotonic", count(0, 100).__next__)
    assert on_all_hosts([HERE], lambda _: time.sleep(1.0), lambda: None, 20.0) == {HERE: None}
