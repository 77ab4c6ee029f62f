"""Guided chunks: which of the tasks that wait a host is given next.

A chunk is a share of what is left, so that the first are large and the last are small: a slow host does not hold the run back,
and the number of chunks grows with the number of hosts and hardly with that of tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from flows import attempts
from flows.ledger import PayloadTask


def next_chunk(
    queue: Sequence[PayloadTask], host: str, sharing: int, least: int, slots: int, *, alone: bool
) -> list[PayloadTask]:
    """The tasks for a host, in the order in which they wait; none when none of them is for it.

    What failed on a host goes elsewhere, and tasks that were given more time or memory go with their like.

    Args:
        queue: the tasks that wait.
        host: the id of the host.
        sharing: how many hosts share what waits, those that are coming among them.
        least: as many tasks as are worth a batch.
        slots: tasks that the host runs at once; 0: all, which then wait in its queue.
        alone: no other host is at work.
    """
    fit = [task for task in queue if alone or task.host != host]
    alike = [task for task in fit if attempts.growth(task) == attempts.growth(fit[0])]
    return alike[: max(ceil(len(queue) / (2 * sharing)), least, slots)] if sharing > 1 else alike
