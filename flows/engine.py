"""The loop: run the first stage that triggers, keep its state, and again, until nothing is left to do.

It needs no Prefect: what executes a stage is given to it. However the run ends, destroy is executed before the loop is left.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext

from blocks.errors import InvalidRequest, LeaseLost
from flows.ending import CarryOut, finish, outcome, recover
from flows.interrupt import heard
from flows.ledger import Lease, Ledger, RunRecord
from flows.ledger.patience import patiently
from flows.proposal import Proposal
from flows.result import RunResult
from flows.retry import is_exhausted
from flows.run import Run
from flows.stages import Stage, stages_with
from flows.state import RunState
from flows.taking_up import at_work, heed_cancel, is_in_hand, let_leave
from flows.view import View


def validate(proposal: Proposal) -> None:
    """Ask every stage about the request.

    Raises:
        InvalidRequest: with every reason that any of them has.
    """
    found = [problem for stage in stages_with(proposal.connector.stages) for problem in stage().input_valid(proposal)]
    if found:
        raise InvalidRequest(*dict.fromkeys(found))


def execute(stage: Stage, run: Run, state: RunState) -> RunState:
    """Execute a stage: act, then keep the new state."""
    over = run.control.limit(run.request.reliability.stage_time_limit, f"stage {stage.name}")
    try:
        with run.control.interrupt.at_once() if stage.is_left_at_once else nullcontext():
            stage.process(run, state)
    finally:
        over()
    state = stage.output(state)
    run.lease.save(state.model_dump_json())
    return state


def drive(run: Run, carry_out: CarryOut, flow_run: str = "") -> RunResult:
    """Take the run from where it is to its end, seen as this Prefect flow run where there is one.

    A run that another controller completed before this one had the lease is left as it is.

    Raises:
        RunCancelled, RunFailed and other ChimineyErrors: as the run ended, after destroy. LeaseLost: at once, touching nothing.
    """
    with heard() as run.control.interrupt:
        return _driven(run, carry_out, flow_run)


def _driven(run: Run, carry_out: CarryOut, flow_run: str) -> RunResult:
    record = run.ledger.run(run.id)
    assert record is not None
    if record.status != "failed" and is_exhausted(run.ledger, record):
        return outcome(run, RunState.model_validate_json(record.state))
    work_left = bool(run.ledger.task_counts(run.id).get("pending"))
    state = RunState.model_validate_json(record.state).reopened(work_left=work_left)
    run.control.limit(run.request.reliability.run_time_limit, "run")
    run.lease.begin(flow_run)
    run.lease.save(state.model_dump_json())
    recover(run)
    error: BaseException | None = None
    try:
        state = _loop(run, state, carry_out)
    except LeaseLost:
        raise
    except BaseException as caught:  # noqa: BLE001 -- also a Ctrl-C, or Prefect's signal: destroy comes first, then it is raised
        error = caught
        state = patiently(lambda: _latest(run))
    return finish(run, state, error, carry_out)


def _loop(run: Run, state: RunState, carry_out: CarryOut) -> RunState:
    stages = stages_with(run.connector.stages)
    while state.ending is None:
        run.control.check()
        stage = next(stage for kind in stages if (stage := kind()).is_triggered(state))
        run.view.stage(stage.name, state.iteration)
        state = carry_out(stage, run, state)
    return state


def _latest(run: Run) -> RunState:
    record = run.ledger.run(run.id)
    assert record is not None
    return RunState.model_validate_json(record.state).model_copy(update={"destroyed": False})


@contextmanager
def controlled(
    ledger: Ledger,
    record: RunRecord,
    proposal: Proposal,
    view: View,
) -> Generator[Run]:
    """The run, with the connector and the resources of what was asked for, in the hands of this process alone.

    Raises:
        InvalidRequest: another controller is at work on it. RunCancelled: it was cancelled since the record was read.
    """
    was_in_hand = is_in_hand(ledger, record)
    let_leave(ledger, record)
    with ledger.held(record, at_work(record)) as lease:
        if not was_in_hand:
            heed_cancel(ledger, record)
        with proposal.held(), in_hand(ledger, record, proposal, lease, view) as run:
            yield run


@contextmanager
def in_hand(ledger: Ledger, record: RunRecord, proposal: Proposal, lease: Lease, view: View) -> Generator[Run]:
    """The run, for whoever has the lease, which is kept meanwhile."""
    run = Run(record, proposal, ledger, lease, view)
    try:
        yield run
    finally:
        run.control.close()
        run.close()
