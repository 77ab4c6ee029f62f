"""When a host has had nothing to do for too long."""

from __future__ import annotations

import time
from math import inf

from flows.idleness import BETWEEN_ITERATIONS, Idleness


def test_a_busy_host_is_never_idle_for_too_long() -> None:
    idleness = Idleness(0.0, is_last=True)

    assert not idleness.is_too_long(busy=True)
    assert idleness.is_too_long(busy=False)


def test_work_in_between_starts_the_time_anew() -> None:
    idleness = Idleness(0.1, is_last=True)
    idleness.is_too_long(busy=False)
    time.sleep(0.11)
    idleness.is_too_long(busy=True)

    assert not idleness.is_too_long(busy=False)
    time.sleep(0.11)
    assert idleness.is_too_long(busy=False)


def test_before_the_last_iteration_hosts_are_kept_for_longer() -> None:
    last, earlier = Idleness(0.05, is_last=True), Idleness(0.05, is_last=False)
    for each in (last, earlier):
        each.is_too_long(busy=False)
    time.sleep(0.06)

    assert last.is_too_long(busy=False)
    assert not earlier.is_too_long(busy=False)
    time.sleep(0.05 * BETWEEN_ITERATIONS)
    assert earlier.is_too_long(busy=False)


def test_by_default_a_host_stays() -> None:
    assert not Idleness(inf, is_last=True).is_too_long(busy=False)
