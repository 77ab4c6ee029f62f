"""What a test does beside a run."""

from __future__ import annotations

import threading

import pytest

from tests import meanwhile
from tests.meanwhile import when


def test_it_is_done_once_it_is_so_and_the_end_waits_for_it() -> None:
    is_so, done = threading.Event(), list[str]()
    begun, may_end = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        may_end.wait()
        done.append("it")

    when(is_so.is_set, act)
    assert done == []
    is_so.set()
    begun.wait()
    threading.Timer(0.2, may_end.set).start()
    meanwhile.end()
    assert done == ["it"]


def test_what_never_became_so_is_not_done_at_the_end() -> None:
    done: list[str] = []
    when(lambda: False, lambda: done.append("it"))
    meanwhile.end()
    assert done == []


def test_what_it_raises_is_raised_by_the_test() -> None:
    def act() -> None:
        raise RuntimeError("no such machine")

    when(lambda: True, act).join()
    with pytest.raises(RuntimeError, match="no such machine"):
        meanwhile.end()
    meanwhile.end()
