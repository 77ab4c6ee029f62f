"""A host that does not answer: how long that has lasted, and whether it is to be given up."""

from __future__ import annotations

import random
import time

from blocks.compute.resource import ComputeResource
from blocks.errors import ResourceError, Unreachable
from blocks.host import Host

FATE_SECONDS = 5.0  # how often it is asked what became of the host, at most, also where nobody answers


class Suspicion:
    """Of one host of a run."""

    def __init__(self, compute: ComputeResource, host: Host, run: str) -> None:
        self._compute = compute
        self._host = host
        self._run = run
        self._since = 0.0
        self._asked = 0.0

    @property
    def is_new(self) -> bool:
        """Whether it answered the last time."""
        return not self._since

    def clear(self) -> None:
        """It answers."""
        self._since = 0.0

    def verdict(self, error: Unreachable) -> str:
        """Why it is to be given up, now that it did not answer again; empty while there is hope."""
        now = time.monotonic()
        self._since = self._since or now
        words = self._fate(now)
        if not words and now - self._since >= self._compute.patience:
            words = str(error)
        return words

    def pause(self) -> float:
        """Seconds until it is to be tried again."""
        waited = time.monotonic() - self._since
        return (0.2 + self._compute.pause(waited, waited)) * random.uniform(0.7, 1.3)

    def _fate(self, now: float) -> str:
        """What the provider knows of it, who is not asked at every attempt."""
        if now - self._asked < FATE_SECONDS:
            return ""
        self._asked = now
        try:
            return self._compute.fate(self._host, self._run)
        except ResourceError:  # who would know does not answer either: patience decides
            return ""
