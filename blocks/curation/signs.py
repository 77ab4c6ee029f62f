"""Signs of life of what may take hours: some things are said at once, and how far it is every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

Say = Callable[[str], None]

SECONDS = 15.0  # between two words about how far it is


def unheard(_words: str) -> None:
    """Say it to nobody."""


class Signs:
    """What is said to whoever waits."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self._last = time.monotonic()

    def how_far(self, words: str) -> None:
        """Say how far it is, unless that was said a moment ago."""
        if time.monotonic() - self._last >= SECONDS:
            self.say(words)
            self._last = time.monotonic()
