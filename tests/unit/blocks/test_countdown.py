"""How long something may take, on a machine that stands still now and then."""

from __future__ import annotations

import pytest

from blocks.countdown import Countdown


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("blocks.countdown.monotonic", clock)
    return clock


def test_what_passes_between_looks_is_used_up(clock: Clock) -> None:
    countdown = Countdown(1.5)
    clock.now = 0.5
    assert countdown.left == 1.0
    clock.now = 1.25
    assert countdown.left == 0.25
    clock.now = 2.0
    assert countdown.left == 0.0


def test_a_time_in_which_nobody_could_look_counts_as_a_second(clock: Clock) -> None:
    countdown = Countdown(5)
    clock.now = 1000.0
    assert countdown.left == 4.0


def test_it_is_whole_again_when_it_is_renewed(clock: Clock) -> None:
    countdown = Countdown(2)
    clock.now = 1.0
    assert countdown.left == 1.0
    countdown.renew()
    clock.now = 1.5
    assert countdown.left == 1.5


def test_nothing_is_left_of_none(clock: Clock) -> None:
    assert Countdown(0).left == 0.0
    assert Countdown(float("inf")).left == float("inf")
