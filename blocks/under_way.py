"""What threads have begun: once it is over, none begins any more, and those that have are waited for."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from blocks.countdown import Countdown
from blocks.errors import RunCancelled

_LOOK = 0.5  # seconds


class UnderWay:
    """One kind of thing that is done for a run, such as to send files, by any number of threads."""

    def __init__(self, refusal: str) -> None:
        """With the sentence for who would begin when it is over."""
        self._refusal = refusal
        self._changed = threading.Condition()
        self._number = 0
        self._is_over = False

    @contextmanager
    def one(self) -> Generator[None]:
        """While one is under way. Raises RunCancelled: it is over."""
        with self._changed:
            if self._is_over:
                raise RunCancelled(self._refusal)
            self._number += 1
        try:
            yield
        finally:
            with self._changed:
                self._number -= 1
                self._changed.notify_all()

    def end(self, seconds: float) -> bool:
        """Let none begin, and wait for those under way, but not longer than so many seconds; whether none is left."""
        countdown = Countdown(seconds)
        with self._changed:
            self._is_over = True
            while self._number and (left := countdown.left):
                self._changed.wait(min(_LOOK, left))
            return not self._number
