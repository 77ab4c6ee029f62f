"""What was made for runs and is still there, though no living run has it: found with the providers, whatever the ledger says.

The last resort after a controller was killed while it asked for a machine, or a ledger's record was lost.
"""

from __future__ import annotations

from contextlib import closing, nullcontext

from blocks.compute.resource import ComputeResource
from blocks.errors import ChimineyError
from flows import resources
from flows.control import Control
from flows.ledger import Ledger, RunRecord
from flows.ledger.owner import this_process
from flows.reaper import needs_reaping


def reap_saved(ledger: Ledger, *, dry_run: bool = False) -> list[str]:
    """Remove what is left with the providers of all saved compute resources; returns a sentence for each run and trouble."""
    told: list[str] = []
    for resource in resources.saved():
        if not issubclass(resources.kinds()[resource.kind], ComputeResource):
            continue
        try:
            block = resource.block
            assert isinstance(block, ComputeResource)
            told += reap(ledger, block, dry_run=dry_run)
        except ChimineyError as error:
            told.append(f"{resource.name} can't say whether something is left there: {error}")
    return list(dict.fromkeys(told))  # several resources may be of one provider


def reap(ledger: Ledger, compute: ComputeResource, *, dry_run: bool = False) -> list[str]:
    """Remove what is left with the provider of one resource; returns a sentence for each run.

    Raises:
        ResourceError: the provider can't be asked.
    """
    told: list[str] = []
    for run in sorted(compute.orphans(ledger.installation)):
        record = ledger.run(run)
        if record is not None and (_lives(ledger, record) or (dry_run and needs_reaping(ledger, record))):
            continue
        name = record.name if record is not None else run
        if dry_run:
            told.append(f"machines of run {name} are left")
        else:
            told += _removed(ledger, compute, run, name, known=record is not None)
    return told


def _lives(ledger: Ledger, record: RunRecord) -> bool:
    """Whether a controller is at work on it, or may come to be."""
    return ledger.is_owned(record) or (record.status == "running" and not needs_reaping(ledger, record))


def _removed(ledger: Ledger, compute: ComputeResource, run: str, name: str, *, known: bool) -> list[str]:
    """Remove what is left of a run, and keep controllers from it meanwhile."""
    lease = ledger.acquire(run, this_process())
    if lease is None and known:
        return []
    try:
        with closing(Control(lease)) if lease is not None else nullcontext():
            compute.destroy(run, [])
    except ChimineyError as error:
        return [f"machines of run {name} could not be removed: {error}"]
    finally:
        if lease is not None:
            lease.release()
    return [f"machines of run {name} are removed"]
