"""Taking a run up, or a sweep, after whoever had it in hand, and unless somebody cancels it first."""

from __future__ import annotations

import time
from contextlib import closing

from blocks.errors import RunCancelled
from flows.flow_call import CalledRun
from flows.interrupt import is_pressed
from flows.ledger import Ledger, RunRecord

LEAVING_SECONDS = 30.0  # that who has written how a run ended may still hold its lease


def at_work(record: RunRecord) -> str:
    """The sentence for who wants to control a run, or a sweep, that another process does."""
    return f"{record.name} is being worked on by another process; 'chiminey cancel {record.name}' would stop it"


def is_in_hand(ledger: Ledger, record: RunRecord) -> bool:
    """Whether a living controller has begun it: a cancel that is seen later may be meant for that one."""
    return bool(record.flow_run) and ledger.is_owned(record)


def called_as(record: RunRecord) -> CalledRun:
    """A run of the ledger, or a sweep, as a flow is called to go on with it."""
    with closing(Ledger()) as ledger:
        return CalledRun(record.id, record.ended, is_in_hand(ledger, record))


def let_leave(ledger: Ledger, record: RunRecord) -> None:
    """Wait for whoever has written that it has ended, and still has records to write, as the reaper does.

    Raises:
        RunCancelled: Ctrl-C was pressed.
    """
    deadline = time.monotonic() + LEAVING_SECONDS
    while time.monotonic() < deadline and ledger.is_owned(record):
        now = ledger.run(record.id)
        if now is None or now.status == "running":
            return
        if is_pressed():
            raise RunCancelled("the run was interrupted")
        time.sleep(0.2)


def heed_cancel(ledger: Ledger, record: RunRecord) -> None:
    """Raise RunCancelled when somebody has cancelled it since its record was read."""
    now = ledger.run(record.id)
    if now is not None and now.status == "cancelled" and now.ended != record.ended:
        raise RunCancelled(now.message)
