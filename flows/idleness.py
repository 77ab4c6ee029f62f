"""How long a host has had nothing to do, and whether that is too long for it to be kept."""

from __future__ import annotations

import time

BETWEEN_ITERATIONS = 20.0  # times as long as in the last one, for a machine that the next iteration needs takes minutes to make


class Idleness:
    """Of one host, in one iteration."""

    def __init__(self, allowed: float, *, is_last: bool) -> None:
        """``allowed`` is in seconds, in the last iteration."""
        self._allowed = allowed if is_last else allowed * BETWEEN_ITERATIONS
        self._since: float | None = None

    def is_too_long(self, *, busy: bool) -> bool:
        """Whether it has been idle for longer than it may, now that it is busy or not."""
        if busy:
            self._since = None
            return False
        now = time.monotonic()
        self._since = self._since if self._since is not None else now
        return now - self._since >= self._allowed
