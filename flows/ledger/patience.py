"""Patience with a ledger that is away for a moment, where nothing else would try again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from flows.ledger.database import LedgerUnavailable
from flows.ledger.lease import LEASE_SECONDS

PAUSE = 1.0  # seconds

Answer = TypeVar("Answer")


def patiently(act: Callable[[], Answer]) -> Answer:
    """Do what can't be done without the ledger, and do it again for as long as that is away and a lease lasts.

    Raises:
        LedgerUnavailable: it is away for longer.
    """
    until = time.monotonic() + LEASE_SECONDS
    while True:
        try:
            return act()
        except LedgerUnavailable:
            if time.monotonic() > until:
                raise
        time.sleep(PAUSE)
