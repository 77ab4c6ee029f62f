"""What a sweep that is over leaves in the output storage: its result, its table, its plot and its crate."""

from __future__ import annotations

from blocks.storage.resource import StorageResource
from flows import ending
from flows.crate import METADATA
from flows.ledger import RunStatus
from flows.run_folder import RUN_JSON
from flows.state import RunState
from flows.sweep import crate
from flows.sweep.outcome import SweepResult, outcome, write
from flows.sweep.sweep import Sweep

TABLE = f"{RUN_JSON} and results.csv"


def keep_records(sweep: Sweep, storage: StorageResource, result: SweepResult) -> None:
    """Write all of it. What can't be written is a warning, and is written by whoever resumes the sweep."""
    told = ending.try_to_write(sweep.say, TABLE, lambda: write(sweep, storage, result))
    told = ending.try_to_write(sweep.say, METADATA, lambda: crate.write(sweep, storage, result)) and told
    sweep.lease.save(RunState(unrecorded=not told).model_dump_json())
    if not told:
        sweep.say("warning", f"what could not be written is written by: chiminey resume {sweep.record.name}")


def keep_records_of_early_end(sweep: Sweep, storage: StorageResource, status: RunStatus, reason: str) -> None:
    """Write what there is of a sweep that was cancelled or broke off; what goes wrong with that is a warning."""

    def write_what_there_is() -> None:
        result = outcome(sweep, storage)
        keep_records(sweep, storage, result.model_copy(update={"state": status, "messages": (reason, *result.messages)}))

    ending.try_to_write(sweep.say, TABLE, write_what_there_is)
