"""The records and the crate of a run or sweep whose controller did not live to write them.

Whoever ends it instead writes them, from the ledger, where its folder is: that on the disk of another machine is not here. What
goes wrong with that is told, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from blocks.compute import LocalCompute
from flows import ending, engine, references
from flows.connector import SmartConnector
from flows.ledger import Lease, Ledger, RunRecord, RunStatus
from flows.proposal import Proposal
from flows.request import common_request
from flows.state import RunState
from flows.sweep.records import keep_records_of_early_end
from flows.sweep.sweep import Sweep
from flows.view import Level, View

Find = Callable[[str, str], SmartConnector]  # the connector of a run, by its name and its folder; may raise InvalidRequest


def of_run(ledger: Ledger, lease: Lease, record: RunRecord, find: Find) -> list[str]:
    """Write those of a run that is ended; returns a sentence for each trouble."""
    told = _Told()

    def write() -> None:
        ended = ledger.run(record.id)
        assert ended is not None
        state = RunState.model_validate_json(ended.state)
        output, folder = references.results(ended)
        if not output.exists(folder):
            return
        connector, nothing_runs = find(ended.connector, ended.folder), LocalCompute()
        proposal = Proposal(common_request(ended), connector, nothing_runs, None, output)
        with proposal.held(), engine.in_hand(ledger, ended, proposal, lease, told) as run:
            ending.keep_records(run, state, ending.outcome(run, state).model_copy(update={"state": ended.status}))

    ending.try_to_write(told.message, "what is kept beside the results", write)
    return told.warnings


def of_sweep(ledger: Ledger, lease: Lease, record: RunRecord, find: Find, status: RunStatus, reason: str) -> list[str]:
    """Write those of a sweep; returns a sentence for each trouble."""
    told = _Told()

    def write() -> None:
        output, folder = references.results(record)
        if not output.exists(folder):
            return
        with closing(Sweep(record, find(record.connector, record.folder), ledger, lease, told)) as sweep:
            keep_records_of_early_end(sweep, output, status, reason)

    ending.try_to_write(told.message, "what is kept beside the results", write)
    return told.warnings


class _Told(View):
    """Keeps what went wrong."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def message(self, level: Level, text: str) -> None:
        if level == "warning":
            self.warnings.append(text)
