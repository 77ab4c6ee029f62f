"""What becomes of runs whose controller is gone: they are seen as ended, and what they left is removed.

A run that lives, one whose lease is held by a living controller, is never touched. A reaped run can be resumed: the ledger
still knows which of its tasks were done. What every run has beside its results is written for it, too.
"""

from __future__ import annotations

import time
from contextlib import closing

from blocks.compute.resource import ComputeResource
from blocks.errors import ChimineyError, InvalidRequest, LeaseLost, NotFound
from blocks.host import Host
from blocks.host_session import HostSession
from flows import belated_records
from flows.abandoned import is_abandoned
from flows.belated_records import Find
from flows.control import Control
from flows.ledger import HostRecord, Lease, Ledger, RunRecord
from flows.ledger.owner import this_process
from flows.references import load
from flows.release import release
from flows.request import RunRequest
from flows.state import Ending, RunState

TAKEN = "left alone, a controller is at work on it"
OUTPUTS_WAIT_SECONDS = 7 * 24 * 3600.0  # that outputs which their storage did not take are left on their hosts


def reap(ledger: Ledger, find: Find, *, dry_run: bool = False) -> list[str]:
    """End all dead runs and clean up after them; returns a sentence for each. A dry run only says what would be done."""
    told: list[str] = []
    message = "its controller is gone; resume goes on with it"
    for record in ledger.unfinished():
        if not needs_reaping(ledger, record):
            continue
        if dry_run:
            left = ", ".join(map(_place, (host for host in ledger.hosts(record.id) if host.status != "released")))
            why = "its controller is gone" if record.status == "running" else record.status
            told.append(f"{record.name}: {why}; left on: {left or 'nothing'}")
        else:
            told.append(f"{record.name}: {end(ledger, record, find, 'failed', message)}")
    return told


def _place(host: HostRecord) -> str:
    return host.address or f"{host.id}, which was asked for"


def needs_reaping(ledger: Ledger, record: RunRecord, *, is_begun: bool = False) -> bool:
    """Whether a run is dead: it says that it runs and nobody is at work on it, or it ended and left something on a host."""
    if record.status == "running":
        return is_abandoned(ledger, record, is_begun=is_begun)
    if ledger.is_owned(record) or _do_outputs_wait(record):
        return False
    return any(host.status != "released" for host in ledger.hosts(record.id))


def _do_outputs_wait(record: RunRecord) -> bool:
    """Whether hosts have its outputs, for a resume that may yet come."""
    waits = RunState.model_validate_json(record.state).outputs_wait
    return waits and time.time() - (record.ended or record.created) <= OUTPUTS_WAIT_SECONDS


def end(ledger: Ledger, record: RunRecord, find: Find, ending: Ending, message: str) -> str:
    """Take a dead run over, clean up after it and write how it ended; does nothing to one that lives. Says what was done."""
    lease = ledger.acquire(record.id, this_process())
    if lease is None:
        return TAKEN
    try:
        if _has_changed(ledger, record):
            return "left alone, for it has gone on since it was looked at"
        with closing(Control(lease)):  # which keeps it, for providers and hosts may take long
            if record.kind == "sweep":
                return _end_sweep(ledger, lease, record, find, ending, message)
            return _end_run(ledger, lease, record, find, ending, message)
    except LeaseLost:
        return "left alone, a controller has taken it up"
    finally:
        lease.release()


def _end_run(ledger: Ledger, lease: Lease, record: RunRecord, find: Find, ending: Ending, message: str) -> str:
    sessions: dict[str, HostSession] = {}
    try:
        try:
            compute = load(RunRequest.model_validate_json(record.request).compute, ComputeResource)
        except (NotFound, InvalidRequest) as error:  # it is over all the same; what it left is found when the resource is back
            _write_ending(lease, record, ending, message)
            troubles = belated_records.of_run(ledger, lease, record, find) if record.status == "running" else []
            return "; ".join([f"could not be cleaned up: {error}", *troubles])

        def session(host: Host) -> HostSession:
            return sessions.setdefault(host.id, compute.open(host, record.id))

        has_begun = bool(ledger.hosts(record.id))
        if not has_begun:  # whoever is just about to begin it sees that at once
            _write_ending(lease, record, ending, message)
        troubles = release(ledger, lease, compute, session)
        if has_begun:
            _write_ending(lease, record, ending, message)
        if record.status == "running":
            troubles += belated_records.of_run(ledger, lease, record, find)
    except LeaseLost:
        raise
    except ChimineyError as error:
        return f"could not be cleaned up: {error}"
    finally:
        for opened in sessions.values():
            opened.close()
    return "; ".join(troubles) if troubles else "cleaned up"


def _has_changed(ledger: Ledger, seen: RunRecord) -> bool:
    """Whether a controller has written of the run since it was seen: other runs may have taken long to clean up after."""
    now = ledger.run(seen.id)
    return now is None or (now.status, now.state) != (seen.status, seen.state)


def _end_sweep(ledger: Ledger, lease: Lease, record: RunRecord, find: Find, ending: Ending, message: str) -> str:
    """A sweep has nothing of its own to clean up, only its runs."""
    troubles: list[str] = []
    _write_ending(lease, record, ending, message)
    for child in ledger.children(record.id):
        if child.status == "running" and ledger.is_owned(child):
            ledger.request_cancel(child.id)
        elif child.status == "running":
            end(ledger, child, find, ending, message)
    if record.status == "running":
        troubles = belated_records.of_sweep(ledger, lease, record, find, ending, message)
    return "; ".join(["its runs are ended", *troubles])


def _write_ending(lease: Lease, record: RunRecord, ending: Ending, message: str) -> None:
    state = RunState.model_validate_json(record.state)
    if record.status == "running":
        if record.kind != "sweep" and state.ending in ("cancelled", "failed"):  # its controller knew, and died when it tidied up
            ending, message = state.ending, "; ".join(state.messages) or message
        state = state.model_copy(update={"ending": state.ending or ending, "messages": (message,)})
        state = state.model_copy(update={"ended": state.ended or time.time()})
        lease.end(ending, message)
        lease.note("error", message)
    lease.save(state.model_copy(update={"destroyed": True, "outputs_wait": False}).model_dump_json())


def cancel(ledger: Ledger, record: RunRecord, find: Find) -> str:
    """Stop a run: its controller is asked to, or where it has none the run is ended from here. Says what happens."""
    if record.status == "failed" and _do_outputs_wait(record):
        told = end(ledger, record, find, "failed", record.message)
        return f"{record.name} has failed; what waited on its hosts is given up: {told}"
    if record.status != "running":
        return f"{record.name} is {record.status}, there is nothing to cancel"
    if ledger.is_owned(record):
        ledger.request_cancel(record.id)
        return f"{record.name} is being cancelled"
    now = ledger.run(record.id)
    if now is not None and now.status != "running":  # it has just ended
        return f"{record.name} is {now.status}, there is nothing to cancel"
    had = "no controller any more" if is_abandoned(ledger, record) else "not begun"
    told = end(ledger, record, find, "cancelled", "the run was cancelled")
    if told == TAKEN:  # it has just begun
        ledger.request_cancel(record.id)
        return f"{record.name} is being cancelled"
    return f"{record.name} had {had}: {told}"
