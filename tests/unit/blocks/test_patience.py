"""How long a service that does not answer is asked again: long, if it was there before, but only by the first who finds out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blocks.errors import NotFound, ResourceError, Unreachable
from blocks.patience import DOUBT, PATIENCE, Patience, Unreached


class Clock:
    """Goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("blocks.patience.time", clock)
    return clock


def failing(kind: type[ResourceError]) -> Callable[[], None]:
    def ask() -> None:
        raise kind("there is a fault")

    return ask


def waited(clock: Clock, patience: Patience, kind: type[ResourceError]) -> float:
    """The seconds that are spent on a request that always fails so."""
    began = clock.now
    with pytest.raises(kind):
        patience(failing(kind))
    return clock.now - began


def test_one_that_never_answered_is_doubted_soon_however_that_showed(clock: Clock) -> None:
    assert waited(clock, Patience(), Unreached) <= DOUBT * 1.5


def test_one_that_answered_before_is_waited_for(clock: Clock) -> None:
    patience = Patience()
    patience(lambda: None)
    assert PATIENCE * 0.8 < waited(clock, patience, Unreached) < PATIENCE * 1.2
    assert PATIENCE * 0.8 < waited(clock, Patience(), Unreachable) < PATIENCE * 1.2


def test_one_that_stayed_away_is_waited_for_again_only_after_it_was_there(clock: Clock) -> None:
    patience = Patience()
    patience(lambda: None)
    waited(clock, patience, Unreached)
    for kind in (Unreached, Unreachable, Unreached):
        assert waited(clock, patience, kind) <= DOUBT * 1.5
    for comes_back in (lambda: patience(lambda: None), lambda: waited(clock, patience, NotFound)):
        comes_back()
        assert waited(clock, patience, Unreached) > PATIENCE * 0.8


def test_one_for_which_every_request_counts_has_all_the_time_again(clock: Clock) -> None:
    patience = Patience(is_lasting=True)
    patience(lambda: None)
    for _ in range(2):
        assert waited(clock, patience, Unreached) > PATIENCE * 0.8


def test_what_was_waited_out_is_not_waited_out_again_by_who_asked(clock: Clock) -> None:
    inner, outer = Patience(), Patience()
    with pytest.raises(Unreachable) as told:
        outer(lambda: inner(failing(Unreachable)))
    assert clock.now < PATIENCE * 1.2
    assert not told.value.transient


def test_it_can_be_seen_that_one_is_waited_for(clock: Clock) -> None:
    patience, seen = Patience(), list[bool]()

    def ask() -> None:
        seen.append(patience.is_waiting)
        if len(seen) < 3:
            raise Unreachable("it is busy")

    patience(ask)
    assert (seen, patience.is_waiting) == ([False, True, True], False)
    waited(clock, patience, Unreachable)
    assert not patience.is_waiting
