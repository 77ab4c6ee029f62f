"""Whether a run that says it runs has lost its controller."""

from __future__ import annotations

import time

from flows.ledger import Ledger, RunRecord
from flows.ledger.lease import LEASE_SECONDS


def is_abandoned(ledger: Ledger, record: RunRecord, *, is_begun: bool = False) -> bool:
    """Whether it says that it runs, and nobody is at work on it.

    Of one that nobody is at work on and that is not known to have begun, somebody may yet come to begin it.
    """
    if record.status != "running" or ledger.is_owned(record):
        return False
    now = ledger.run(record.id)  # since it was read, a controller may have ended it, or begun it
    if now is None or now.status != "running" or ledger.is_owned(now):
        return False
    return is_begun or now.owner is not None or not (_is_new(now) or _is_waited_for(ledger, now))


def _is_new(record: RunRecord) -> bool:
    return time.time() - record.created <= LEASE_SECONDS


def _is_waited_for(ledger: Ledger, record: RunRecord) -> bool:
    """Whether it is a run of a sweep that lives: its turn may come late, when workers are busy."""
    sweep = ledger.run(record.parent)
    return sweep is not None and ledger.is_owned(sweep)
