"""Requests to a service that are repeated after faults that pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from blocks.errors import CommandFailed, ResourceError, Unreachable

PATIENCE = 120.0  # seconds in which a request is repeated
DOUBT = 10.0  # the same where no answer ever came, so that the address is more likely wrong than the network out of order
_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 8.0  # seconds
_MOST_DAMAGED = 3  # attempts

_Answer = TypeVar("_Answer")


class Unreached(Unreachable):
    """Nobody answers at the service's address."""


class Damaged(CommandFailed):
    """Content arrived otherwise than it was sent."""


class Patience:
    """How long requests to one service are repeated. They must be safe to repeat.

    After one that was repeated in vain, others are so for DOUBT seconds only, until one succeeds.

    Attributes:
        is_waiting: whether there was a fault since the service last did what it was asked, and it is asked again.
    """

    def __init__(self, *, is_lasting: bool = False) -> None:
        """Nothing was asked yet; with ``is_lasting``, each request has all the time, whatever came of others."""
        self.is_waiting = False
        self._is_lasting = is_lasting
        self._is_known = False  # whether it has ever answered
        self._has_ended = False  # whether it stayed away for so long, and was not heard of since

    def __call__(self, ask: Callable[[], _Answer]) -> _Answer:
        """What the request gives, however often it has to be repeated.

        Raises:
            Unreachable: it could not be asked, or had no time, for PATIENCE seconds; or no answer came for DOUBT seconds. Who
                asks for the same again need not hope for another answer: it is not transient any more.
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
                    self._end(error)
                    raise
            else:
                self._is_known = True
                self.is_waiting = self._has_ended = False
                return answer
            self.is_waiting = True
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _may_pass(self, error: ResourceError, damaged: int, waited: float) -> bool:
        if isinstance(error, Damaged):
            return damaged < _MOST_DAMAGED
        is_hopeful = self._is_known and (self._is_lasting or not self._has_ended)
        return error.transient and waited <= (PATIENCE if is_hopeful else DOUBT)

    def _end(self, error: ResourceError) -> None:
        self.is_waiting = False
        self._has_ended = isinstance(error, Unreachable)  # whatever else it says, it is there to say it
        if self._has_ended:
            error.transient = False
