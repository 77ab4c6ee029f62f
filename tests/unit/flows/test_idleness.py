"""When a host has had nothing to do for too long."""

from __future__ import annotations

from math import inf

import pytest

from flows.idleness import BETWEEN_ITERATIONS, Idleness


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("flows.idleness.time", clock)
    return clock


def test_a_busy_host_is_never_idle_for_too_long() -> None:
    idleness = Idleness(0.0, is_last=True)

    assert not idleness.is_too_long(busy=True)
    assert idleness.is_too_long(busy=False)


def test_work_in_between_starts_the_time_anew(clock: Clock) -> None:
    idleness = Idleness(10, is_last=True)
    idleness.is_too_long(busy=False)
    clock.now = 11
    idleness.is_too_long(busy=True)

    assert not idleness.is_too_long(busy=False)
    clock.now = 20
    assert not idleness.is_too_long(busy=False)
    clock.now = 21
    assert idleness.is_too_long(busy=False)


def test_before_the_last_iteration_hosts_are_kept_for_longer(clock: Clock) -> None:
    last, earlier = Idleness(10, is_last=True), Idleness(10, is_last=False)
    for each in (last, earlier):
        each.is_too_long(busy=False)
    clock.now = 10

    assert last.is_too_long(busy=False)
    assert not earlier.is_too_long(busy=False)
    clock.now = 10 * BETWEEN_ITERATIONS
    assert earlier.is_too_long(busy=False)


def test_by_default_a_host_stays() -> None:
    assert not Idleness(inf, is_last=True).is_too_long(busy=False)
