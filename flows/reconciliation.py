"""What a host has of the tasks that it was given, compared with what is believed of them."""

from __future__ import annotations

from blocks.host import Host
from blocks.host_session import HostSession
from blocks.work import TaskEnd
from flows.dispatch import Dispatch


def reconciled(session: HostSession, dispatch: Dispatch, host: Host) -> list[TaskEnd]:
    """The ends that a host has markers of. Batches whose runner is gone are settled.

    Raises:
        ResourceError: the host does not answer, or can't tell.
    """
    at_work = dispatch.at_work(host)
    statuses = session.status(list(at_work))
    for status in statuses:
        dispatch.not_begun(set(at_work[status.batch] & status.not_begun))
        dispatch.untraced(set(at_work[status.batch] & status.untraced))
    waiting = frozenset[int]().union(*(status.waiting for status in statuses))
    dispatch.queued(host, waiting, "; ".join(dict.fromkeys(status.queue for status in statuses if status.queue)))
    at_work = dispatch.at_work(host)
    gone = [
        status.batch
        for status in statuses
        if not status.alive and status.batch in at_work and not at_work[status.batch] <= status.ended
    ]
    fenced = {status.batch: status for status in session.fence(gone)} if gone else {}
    for batch in gone:
        status = fenced[batch]
        left = at_work[batch] - status.ended
        dispatch.lost(left & status.started, "its process is gone without having said how it ended")
        if status.started:
            dispatch.not_begun(left - status.started)
        else:
            dispatch.untraced(left)
    return [end for status in statuses for end in fenced.get(status.batch, status).ends]
