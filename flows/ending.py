"""How a run comes to its end: hosts are let go, what it gave is published, and the records say how it ended.

Whatever goes wrong with that is told, and changes nothing of the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from blocks.errors import ChimineyError, LeaseLost, OutputsWait, ResourceError, RunCancelled, unexpected
from blocks.mistakes import few
from flows import curation, records
from flows.crate import METADATA, run_crate
from flows.ledger import RunStatus
from flows.ledger.database import LedgerUnavailable
from flows.ledger.patience import patiently
from flows.result import RunResult, TaskCounts
from flows.run import Run
from flows.run_folder import RUN_JSON, TASKS_JSON
from flows.stages import Stage, stages_with
from flows.state import Ending, RunState
from flows.view import Level

CarryOut = Callable[[Stage, Run, RunState], RunState]


def finish(run: Run, state: RunState, error: BaseException | None, carry_out: CarryOut) -> RunResult:
    """Destroy, publish where that was asked for, write the records, and say how it ended. Raises the error that ended the run."""
    run.control.settle()
    reason = patiently(lambda: _of_waiting(run, state, error))
    state = _let_go(run, state, reason, carry_out)
    if state.to_curate:
        state = _curated(run, state, carry_out)
    result = _recorded(run, state)
    if reason is not None:
        raise reason
    return result


def _let_go(run: Run, state: RunState, reason: BaseException | None, carry_out: CarryOut) -> RunState:
    """Write how the run ends, and let its hosts go."""
    ending, message = _ending(reason)
    messages = (message,) if message else ()
    over = state.ended or time.time()  # one that only had to be recorded ended long ago
    to_curate = patiently(lambda: _is_to_be_curated(run))
    state = state.model_copy(update={"ending": ending, "messages": messages, "ended": over, "unrecorded": False})
    state = state.model_copy(update={"to_curate": to_curate, "outputs_wait": isinstance(reason, OutputsWait)})
    with suppress(LedgerUnavailable):  # the hosts are let go all the same
        run.lease.save(state.model_dump_json())
    destroy = next(kind for kind in stages_with(run.connector.stages) if kind.name == "destroy")
    return patiently(lambda: carry_out(destroy(), run, state))


def _recorded(run: Run, state: RunState) -> RunResult:
    """Write the records, and at last that the run is over."""
    result = outcome(run, state)
    if not keep_records(run, state, result):
        run.lease.save(state.model_copy(update={"unrecorded": True}).model_dump_json())
        run.say("warning", f"what could not be written is written by: chiminey resume {run.name}")
    if not run.is_written_to:  # else whoever goes on with it does that, when they have ended with this process
        recover(run)
    patiently(lambda: run.lease.end(result.state, "; ".join(result.messages)))
    return result


def recover(run: Run) -> None:
    """Put right what was left half-written in the run's folder, where nobody writes but who has its lease.

    What goes wrong with that is no reason for the run to end: what appears there later is whole all the same.
    """
    try:
        run.output_storage.recover(run.folder)
    except ResourceError as error:
        run.say("warning", f"what was left half-written in {run.output_storage.describe(run.folder)} is still there: {error}")


def _of_waiting(run: Run, state: RunState, error: BaseException | None) -> BaseException | None:
    """The error that ended the run, or that outputs wait, when it is the output storage's and hosts have what it did not take."""
    if not isinstance(error, ResourceError) or not state.executed or state.waited:
        return error
    busy = {task.host for task in run.ledger.tasks(run.id, state.iteration) if task.status == "running"}
    places = [host.address for host in run.hosts("ready") if host.id in busy and not host.is_machine]
    if not places:
        return error
    reason = str(error).rstrip(".")
    waiting = OutputsWait(
        f"{reason}; what was computed is not lost, and what runs goes on: the outputs wait on {', '.join(places)}. "
        f"As soon as there is a place for them: chiminey resume {run.name} (or give them up with: chiminey cancel {run.name})"
    )
    waiting.__cause__ = error
    return waiting


def _ending(error: BaseException | None) -> tuple[Ending, str]:
    if error is None:
        return "completed", ""
    if isinstance(error, ChimineyError):
        return ("cancelled" if isinstance(error, RunCancelled) else "failed"), str(error)
    if isinstance(error, Exception):
        return "failed", f"{type(error).__name__}: {error}"
    return "cancelled", "the run was interrupted"  # KeyboardInterrupt, or Prefect's signal to end


def _is_to_be_curated(run: Run) -> bool:
    return run.request.curation is not None and bool(run.ledger.task_counts(run.id).get("completed"))


def _curated(run: Run, state: RunState, carry_out: CarryOut) -> RunState:
    """Publish the run. What comes of that is no part of how the run ended: it can be done later."""
    curate = next(kind for kind in stages_with(run.connector.stages) if kind.name == "curate")
    run.view.stage("curate", state.iteration)
    try:
        return carry_out(curate(), run, state)
    except LeaseLost:
        raise
    except ChimineyError as error:
        reason = str(error)
    except KeyboardInterrupt:
        reason = "it was interrupted"
    except Exception as error:  # noqa: BLE001 -- a connector's own hook may do anything
        reason = unexpected(error)
    run.say("warning", curation.undone(run.name, reason))
    return state


def keep_records(run: Run, state: RunState, result: RunResult) -> bool:
    """Write the records of a run that is over, and the crate, which has their checksums; whether all of it is there."""
    told = try_to_write(run.say, f"{RUN_JSON} and {TASKS_JSON}", lambda: records.write(run, state, result))
    return try_to_write(run.say, METADATA, lambda: run_crate.write(run, state, result)) and told


def try_to_write(say: Callable[[Level, str], None], what: str, write: Callable[[], None]) -> bool:
    """Write something about a run that is over; what goes wrong with that is a warning, and changes nothing of how it ended.

    Returns whether it is written.
    """
    try:
        write()
    except LeaseLost:
        raise
    except ChimineyError as error:
        say("warning", f"{what} could not be written: {error}")
    except Exception as error:  # noqa: BLE001 -- our own mistake, or a library's: results that are there must not be lost by it
        say("warning", f"{what} could not be written: {unexpected(error)}")
    else:
        return True
    return False


def outcome(run: Run, state: RunState) -> RunResult:
    """The result of a run, from its state and its tasks."""
    tasks = run.ledger.tasks(run.id)
    counts = TaskCounts(
        total=len(tasks),
        completed=sum(task.status == "completed" for task in tasks),
        failed=sum(task.status == "failed" for task in tasks),
    )
    failures = [task.failure for task in tasks if task.status == "failed"]
    failed = [each for each in failures if not any(each in message for message in state.messages)]  # the first may be the reason
    status: RunStatus = state.ending or "failed"
    if status == "completed" and failures:
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
        curated=curation.address(run.ledger, run.id),
        messages=(
            *state.messages,
            *curation.troubles(run.ledger, run.id, run.name),
            *few(failed, f"see {TASKS_JSON}"),
        ),
    )
