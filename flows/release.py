"""Leaving nothing behind: every process and folder of a run is removed from its hosts, and the hosts are released.

The stage destroy does it, and where the controller died before, the hooks and the reaper, from the ledger alone.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from blocks.compute.resource import ComputeResource
from blocks.errors import ChimineyError, ResourceError
from blocks.host import Host
from blocks.host_session import HostSession
from flows.all_hosts import on_all_hosts
from flows.ledger import HostRecord, Lease, Ledger


def release(
    ledger: Ledger, lease: Lease, compute: ComputeResource, session: Callable[[Host], HostSession], *, outputs_wait: bool = False
) -> list[str]:
    """Clean all hosts of a run that are not released yet, and destroy its machines. Returns a sentence for each trouble.

    Where its outputs wait, hosts that stay are left as they are.
    """
    records = [record for record in ledger.hosts(lease.run) if record.status != "released"]
    stay = [record for record in records if not record.host.is_machine]
    troubles = [] if outputs_wait else _clean(stay, lease, session, compute.cleaning)
    troubles += _destroy([record for record in records if record.host.is_machine], lease, compute)
    _give_back(ledger, lease, spared={record.id for record in stay} if outputs_wait else set[str]())
    return troubles


def _clean(records: list[HostRecord], lease: Lease, session: Callable[[Host], HostSession], seconds: float) -> list[str]:
    """Hosts that stay."""
    notes = {record.host: record.note for record in records}
    answers = on_all_hosts(notes, lambda host: session(host).clean(), lambda: None, seconds)
    troubles: list[str] = []
    for host, note in notes.items():
        answer = answers.get(host, ChimineyError("it did not answer in time"))
        if answer is None:
            lease.host(host, "released", note)
        else:
            lease.host(host, "lost", str(answer))
            troubles.append(
                f"host {host.address} may still hold files or processes of this run ({answer}); 'chiminey reap' will remove them"
            )
    return troubles


def _destroy(machines: list[HostRecord], lease: Lease, compute: ComputeResource) -> list[str]:
    """Hosts that were made, with all else that was: asked for also when the ledger knows of none."""
    try:
        compute.destroy(lease.run, [record.host for record in machines])
    except ResourceError as error:
        for record in machines:
            lease.host(record.host, "failed", str(error))
        return [f"machines of this run may be left at the provider ({error}); 'chiminey reap' will remove them"]
    for record in machines:
        lease.host(record.host, "released", record.note)
    return []


def _give_back(ledger: Ledger, lease: Lease, spared: Container[str]) -> None:
    """Tasks that were stopped with their run wait again, for whoever resumes it; that was no attempt of theirs."""
    stopped = [task for task in ledger.tasks(lease.run) if task.status == "running" and task.host not in spared]
    for task in stopped:
        task.move("pending")
        task.forgiven += 1
    lease.update_tasks(stopped)
