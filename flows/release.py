"""Leaving nothing behind: every process and folder of a run is removed from its hosts, and the hosts are released.

The stage destroy does it, and where the controller died before, the hooks and the reaper, from the ledger alone.
"""

from __future__ import annotations

from collections.abc import Callable

from blocks.compute.resource import ComputeResource, HostSession
from blocks.errors import ChimineyError, ResourceError
from blocks.host import Host
from flows.ledger import HostRecord, Lease, Ledger
from flows.machines import is_machine
from flows.run import on_all

SECONDS = 20.0  # a cancel in the Prefect UI leaves thirty, for all that is still to do


def release(ledger: Ledger, lease: Lease, compute: ComputeResource, session: Callable[[Host], HostSession]) -> list[str]:
    """Clean all hosts of a run that are not released yet, and destroy its machines. Returns a sentence for each trouble."""
    records = [record for record in ledger.hosts(lease.run) if record.status != "released"]
    troubles = _clean([record.host for record in records if not is_machine(record.host)], lease, session)
    troubles += _destroy([record for record in records if is_machine(record.host)], lease, compute)
    _give_back(ledger, lease)
    return troubles


def _clean(hosts: list[Host], lease: Lease, session: Callable[[Host], HostSession]) -> list[str]:
    """Hosts that stay."""
    answers = on_all(hosts, lambda host: session(host).clean(), lambda: None, SECONDS)
    troubles: list[str] = []
    for host in hosts:
        answer = answers.get(host, ChimineyError("it did not answer in time"))
        if answer is None:
            lease.host(host, "released")
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


def _give_back(ledger: Ledger, lease: Lease) -> None:
    """Tasks that were stopped with their run wait again, for whoever resumes it."""
    stopped = [task for task in ledger.tasks(lease.run) if task.status == "running"]
    for task in stopped:
        task.move("pending")
    lease.update_tasks(stopped)
