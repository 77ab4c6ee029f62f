"""Requests to a service that are repeated after faults that pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from blocks.errors import CommandFailed, ResourceError, Unreachable

PATIENCE = 120.0  # seconds in which a request is repeated
DOUBT = 10.0  # the same where nothing was ever reached, so that the address is more likely wrong than the network out of order
_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 8.0  # seconds
_MOST_DAMAGED = 3  # attempts

_Answer = TypeVar("_Answer")


class Unreached(Unreachable):
    """Nobody is at the service's address."""


class Damaged(CommandFailed):
    """Content arrived otherwise than it was sent."""


class Patience:
    """How long requests to one service are repeated. They must be safe to repeat."""

    def __init__(self) -> None:
        self._is_known = False  # whether it has ever answered

    def __call__(self, ask: Callable[[], _Answer]) -> _Answer:
        """What the request gives, however often it has to be repeated.

        Raises:
            Unreachable: it could not be asked, or had no time, for PATIENCE seconds; or nobody was there for DOUBT seconds.
            Damaged: several times in a row.
            ResourceError: whatever else the request raises, at once.
        """
        pause, damaged, began = _FIRST_PAUSE, 0, float("inf")
        while True:
            try:
                answer = ask()
            except ResourceError as error:
                now = time.monotonic()
                began = min(began, now)  # the first fault, for a request may take hours before it
                self._is_known |= not isinstance(error, Unreached)
                damaged += isinstance(error, Damaged)
                if not self._may_pass(error, damaged, now + pause - began):
                    raise
            else:
                self._is_known = True
                return answer
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _may_pass(self, error: ResourceError, damaged: int, waited: float) -> bool:
        if isinstance(error, Damaged):
            return damaged < _MOST_DAMAGED
        return isinstance(error, Unreachable) and waited <= (PATIENCE if self._is_known else DOUBT)
