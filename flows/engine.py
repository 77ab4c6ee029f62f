"""The loop: run the first stage that triggers, keep its state, and again, until nothing is left to do.

It needs no Prefect: what executes a stage is given to it. However the run ends, destroy is executed before the loop is left.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from blocks.compute.resource import ComputeResource
from blocks.errors import ChimineyError, InvalidRequest, LeaseLost, RunCancelled
from blocks.storage.resource import StorageResource
from flows import records
from flows.connector import SmartConnector
from flows.ledger import Ledger, RunRecord, RunStatus
from flows.ledger.owner import this_process
from flows.result import RunResult, TaskCounts
from flows.retry import is_exhausted
from flows.run import Run
from flows.stages import Stage, stages_with
from flows.state import Ending, RunState
from flows.validation import Proposal
from flows.view import View

Execute = Callable[[Stage, Run, RunState], RunState]


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
        stage.process(run, state)
    finally:
        over()
    state = stage.output(state)
    run.lease.save(state.model_dump_json())
    return state


def drive(run: Run, carry_out: Execute, flow_run: str = "") -> RunResult:
    """Take the run from where it is to its end, seen as this Prefect flow run where there is one.

    A run that another controller completed before this one had the lease is left as it is.

    Raises:
        RunCancelled, RunFailed and other ChimineyErrors: as the run ended, after destroy. LeaseLost: at once, touching nothing.
    """
    record = run.ledger.run(run.id)
    assert record is not None
    if record.status != "failed" and is_exhausted(run.ledger, record):
        return outcome(run, RunState.model_validate_json(record.state))
    work_left = bool(run.ledger.task_counts(run.id).get("pending"))
    state = RunState.model_validate_json(record.state).reopened(work_left=work_left)
    run.control.limit(run.request.reliability.run_time_limit, "run")
    run.lease.begin(flow_run)
    error: BaseException | None = None
    try:
        state = _loop(run, state, carry_out)
    except LeaseLost:
        raise
    except BaseException as caught:  # noqa: BLE001 -- also a Ctrl-C, or Prefect's signal: destroy comes first, then it is raised
        error = caught
        state = _latest(run)
    return _finish(run, state, error, carry_out)


def _loop(run: Run, state: RunState, carry_out: Execute) -> RunState:
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


def _finish(run: Run, state: RunState, error: BaseException | None, carry_out: Execute) -> RunResult:
    """Destroy, write the records, and say how it ended. Raises the error that ended the run."""
    run.control.settle()
    ending, message = _ending(error)
    state = state.model_copy(update={"ending": ending, "messages": (message,) if message else ()})
    run.lease.save(state.model_dump_json())
    destroy = next(kind for kind in stages_with(run.connector.stages) if kind.name == "destroy")
    state = carry_out(destroy(), run, state)
    result = outcome(run, state)
    try:
        records.write(run, state, result)
    except ChimineyError as second:
        run.say("warning", f"run.json and tasks.json could not be written: {second}")
    run.lease.end(result.state, "; ".join(result.messages))
    if error is not None:
        raise error
    return result


def _ending(error: BaseException | None) -> tuple[Ending, str]:
    if error is None:
        return "completed", ""
    if isinstance(error, ChimineyError):
        return ("cancelled" if isinstance(error, RunCancelled) else "failed"), str(error)
    if isinstance(error, Exception):
        return "failed", f"{type(error).__name__}: {error}"
    return "cancelled", "the run was interrupted"  # KeyboardInterrupt, or Prefect's signal to end


def outcome(run: Run, state: RunState) -> RunResult:
    """The result of a run, from its state and its tasks."""
    tasks = run.ledger.tasks(run.id)
    counts = TaskCounts(
        total=len(tasks),
        completed=sum(task.status == "completed" for task in tasks),
        failed=sum(task.status == "failed" for task in tasks),
    )
    failed = [task.failure for task in tasks if task.status == "failed"]
    status: RunStatus = state.ending or "failed"
    if status == "completed" and failed:
        status = "completed-with-failures"
    return RunResult(
        run_id=run.id,
        name=run.name,
        state=status,
        output=run.output_storage.describe(run.folder),
        tasks=counts,
        iterations=state.iteration + 1,
        criterion=state.criteria[-1] if state.criteria else None,
        results=state.results,
        messages=(*state.messages, *failed[:10], *([f"and {len(failed) - 10} more, see tasks.json"] if len(failed) > 10 else [])),
    )


@contextmanager
def controlled(
    ledger: Ledger,
    record: RunRecord,
    connector: SmartConnector,
    compute: ComputeResource,
    input_storage: StorageResource | None,
    output_storage: StorageResource,
    view: View,
) -> Generator[Run]:
    """The run, in the hands of this process alone.

    Raises:
        InvalidRequest: another controller is at work on it.
    """
    lease = ledger.acquire(record.id, this_process())
    if lease is None:
        raise InvalidRequest(
            f"{record.name} is being worked on by another process; 'chiminey cancel {record.name}' would stop it"
        )
    run = Run(record, connector, compute, input_storage, output_storage, ledger, lease, view)
    try:
        yield run
    finally:
        run.control.close()
        run.close()
        with suppress(LeaseLost):
            lease.release()
