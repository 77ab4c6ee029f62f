"""Leaving nothing behind: every process and folder of a run is removed from its hosts, and the hosts are released.

The stage destroy does it, and where the controller died before, the hooks and the reaper, from the ledger alone.
"""

from __future__ import annotations

from collections.abc import Callable

from blocks.compute.resource import ComputeResource, HostSession
from blocks.errors import ChimineyError
from blocks.host import Host
from flows.ledger import Lease, Ledger
from flows.run import on_all

SECONDS = 20.0  # a cancel in the Prefect UI leaves thirty, for all that is still to do


def release(ledger: Ledger, lease: Lease, compute: ComputeResource, session: Callable[[Host], HostSession]) -> list[str]:
    """Clean all hosts of a run that are not released yet. Returns a sentence for each that could not be reached."""
    hosts = [record.host for record in ledger.hosts(lease.run) if record.status != "released"]
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
    compute.destroy(lease.run, hosts)
    _give_back(ledger, lease)
    return troubles


def _give_back(ledger: Ledger, lease: Lease) -> None:
    """Tasks that were stopped with their run wait again, for whoever resumes it."""
    stopped = [task for task in ledger.tasks(lease.run) if task.status == "running"]
    for task in stopped:
        task.move("pending")
    lease.update_tasks(stopped)
