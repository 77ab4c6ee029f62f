"""What is on its way to hosts: once a run is over, nothing sets out any more that would arrive behind the clean-up."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from blocks.countdown import Countdown
from blocks.errors import RunCancelled

_LOOK = 0.5  # seconds


class Deliveries:
    """Those of one run, by any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._are_over = False

    @contextmanager
    def one(self) -> Generator[None]:
        """While it is under way. Raises RunCancelled: the run is over."""
        with self._changed:
            if self._are_over:
                raise RunCancelled("the run is over, nothing is sent to its hosts any more")
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def end(self, seconds: float) -> bool:
        """Let none begin, and wait for those under way, but not longer than so many seconds; whether none is left."""
        countdown = Countdown(seconds)
        with self._changed:
            self._are_over = True
            while self._under_way and (left := countdown.left):
                self._changed.wait(min(_LOOK, left))
            return not self._under_way
