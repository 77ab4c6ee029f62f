"""What becomes of tasks whose element is over, from their markers and what the scheduler remembers."""

from __future__ import annotations

import pytest

from blocks.compute import GridEngineCompute
from blocks.scheduler.array import ArrangedBatch, Layout
from blocks.scheduler.listing import Listing
from blocks.scheduler.truth import Verdicts
from blocks.work import BatchStatus, Cause

DIALECT = GridEngineCompute(host="login").dialect
BATCHES = {"b": ArrangedBatch(Layout(tasks=2, per_element=1, largest=10), (1, 2))}


def status(listed: str, history: str) -> BatchStatus:
    """Of a batch with two elements of one task each, both of which are gone from the queue."""
    listing = Listing.read(f"batch b ready\n{listed}name 1 run.b.1\njob 1 3\nqueue\n", DIALECT)
    verdicts = Verdicts(listing, BATCHES, {}, DIALECT)
    due = verdicts.unexplained()
    verdicts.hear(due, f"history\n{history}")
    return verdicts.status("b")


@pytest.mark.parametrize(("listed", "cause"), [("", Cause.CANCELLED), ("claimed 1\n", Cause.LOST)])
def test_a_task_without_a_record_was_cancelled_before_it_began_or_else_is_lost(listed: str, cause: Cause) -> None:
    ends = {end.task: end for end in status(listed, "others 3\n").ends}
    assert (ends[1].cause, ends[2].cause) == (cause, Cause.CANCELLED)


def test_a_task_that_a_signal_ended_is_not_cancelled_for_want_of_a_record() -> None:
    (first,) = (end for end in status("claimed 1\ndone 1.137\n", "others 3\n").ends if end.task == 1)
    assert (first.exit_code, first.cause) == (137, None)
