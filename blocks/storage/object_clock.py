"""The clock of an object store, by which it says when an object was written: that of this machine may be another."""

from __future__ import annotations

import time
from contextlib import suppress
from email.utils import parsedate_to_datetime


class Clock:
    """Tells the time as the store's last answer did; before the first, as this machine does."""

    def __init__(self) -> None:
        self._ahead = 0.0  # seconds

    def hear(self, date: str) -> None:
        """Take in the Date of an answer; one that says nothing is passed over."""
        with suppress(ValueError):
            self._ahead = parsedate_to_datetime(date).timestamp() - time.time()

    def now(self) -> float:
        """The time in seconds since the epoch."""
        return time.time() + self._ahead
