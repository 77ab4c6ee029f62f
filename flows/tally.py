"""How many tasks of an iteration are in which state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from flows.ledger import PayloadTask
from flows.view import Progress

Waiting = tuple[frozenset[int], str]  # tasks that wait in the queue of their host, and why


def tally(iteration: int, tasks: Mapping[int, PayloadTask], waiting: Collection[Waiting]) -> Progress:
    """What is shown of them. Those that wait in a queue are known to us as at work."""
    counts = Counter(task.status for task in tasks.values())
    queued = sum(tasks[task].status == "running" for waiters, _ in waiting for task in waiters)
    reasons = "; ".join(dict.fromkeys(reason for _, reason in waiting if reason))
    running = counts["running"] - queued
    return Progress(iteration, len(tasks), counts["completed"], counts["failed"], running, queued, reasons)
