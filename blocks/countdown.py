"""How long something may take: what whoever waits lived through, not what the clock says."""

from __future__ import annotations

from time import monotonic

_LONGEST_LOOK = 1.0  # seconds that whoever waits lets pass between two looks, at most


class Countdown:
    """Seconds that may pass while something is waited for, which is looked at again and again.

    When this machine stood still, what is waited for had no chance to be noticed: between two looks at ``left``, no more than a
    second counts as having passed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Allow all of the seconds anew."""
        self._left, self._looked = self._seconds, monotonic()

    @property
    def left(self) -> float:
        """Seconds that may still pass; 0 when they are over."""
        now = monotonic()
        self._left = max(0.0, self._left - min(now - self._looked, _LONGEST_LOOK))
        self._looked = now
        return self._left
