"""A connector as a Prefect flow: one flow run is one run, one task run is one execution of a stage.

All that is decided is decided by the engine.
"""

from __future__ import annotations

import functools
import inspect
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Unpack, cast

from prefect import Flow, State, Task, flow, get_run_logger, runtime, tags
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, SyncClientContext, TagsContext
from prefect.exceptions import Pause
from prefect.tasks import exponential_backoff

from blocks.errors import ChimineyError, ResourceError, RunCancelled, RunFailed
from flows import cost, engine, reaper
from flows.asked import Asked, asked_again, parameters, prepared, proposed
from flows.connector import SmartConnector
from flows.flow_call import CalledRun, body, carried_out, given_run, given_views
from flows.form import signature
from flows.interrupt import heard
from flows.ledger import Ledger, RunRecord
from flows.prefect_view import PrefectView
from flows.proposal import Proposal
from flows.request import RunRequest
from flows.result import RunResult, failure
from flows.retry import forgive, is_exhausted
from flows.run import Run
from flows.stages import Stage
from flows.state import RunState
from flows.taking_up import called_as
from flows.view import View, Views

TAG = "chiminey"
RUN_TAG = "chiminey-run:"  # with the id of a run of the ledger, on a flow run that is to carry it out


async def call(
    connector: SmartConnector,
    *,
    sweep: Mapping[str, Any] | None = None,
    views: Sequence[View] = (),
    run_id: str | None = None,
    **asked: Unpack[Asked],
) -> RunResult:
    """Run a connector in this process, with resources as Blocks, by name, or as an earlier run had them.

    Raises:
        InvalidRequest, ResourceError, RunFailed, RunCancelled: as the run ended.
    """
    chosen, _ = prepared(connector, sweep, **asked)
    return await _start(connector, chosen, CalledRun(run_id or secrets.token_hex(5)), views)


async def resume(connector: SmartConnector, record: RunRecord, views: Sequence[View]) -> RunResult:
    """Go on with a run whose controller is gone, or that ended without having done everything; or begin one of the ledger."""
    return await begin(asked_again(connector, RunRequest.model_validate_json(record.request)), record, views)


async def begin(proposal: Proposal, record: RunRecord, views: Sequence[View]) -> RunResult:
    """Do what was asked for as this run of the ledger, unless it is cancelled first."""
    return await _start(proposal.connector, parameters(proposal), called_as(record), views)


async def _start(connector: SmartConnector, chosen: dict[str, Any], called: CalledRun, views: Sequence[View]) -> RunResult:
    if not connector.Inputs.model_fields:
        del chosen["inputs"]
    with tags(TAG):
        return await carried_out(connector.flow, chosen, called, views)


def connector_flow(connector: SmartConnector) -> Flow[..., RunResult]:
    """The flow of a connector: ``connector.flow``."""

    async def run(**chosen: Any) -> RunResult:
        return body(lambda: _run(connector, chosen))

    run.__doc__ = connector.description
    return as_flow(connector, run, connector.name, signature(connector), functools.partial(_run_name, connector))


def as_flow(
    connector: SmartConnector, run: Any, name: str, parameters: inspect.Signature, run_name: Callable[[], str]
) -> Flow[..., Any]:
    """A function as a flow with these parameters; whatever bad end its runs come to, what they left is cleaned up."""
    run.__name__ = name.replace("-", "_")
    run.__signature__ = parameters

    def hook(_flow: object, flow_run: FlowRun, state: State[Any]) -> None:
        clean_up(connector, flow_run, state)

    hooks: list[Any] = [hook]
    decorate: Any = flow(
        name=f"chiminey-{name}",
        description=run.__doc__,
        flow_run_name=run_name,
        on_failure=hooks,
        on_cancellation=hooks,
        on_crashed=hooks,
        persist_result=False,
    )
    return decorate(run)


def _run_name(connector: SmartConnector) -> str:
    now = cast(Any, runtime).flow_run
    return f"{connector.name}-{run_id_of(str(now.id), now.tags)}"


def run_id_of(flow_run: str, flow_run_tags: Iterable[str] = ()) -> str:
    """The run's id: given, or the last, random part of the flow run's, so that a retry of the flow run finds the run."""
    tagged = next((tag.removeprefix(RUN_TAG) for tag in flow_run_tags if tag.startswith(RUN_TAG)), None)
    called = given_run.get()
    return (called and called.id) or tagged or flow_run.replace("-", "")[-10:]


def _run(connector: SmartConnector, chosen: dict[str, Any]) -> RunResult:
    """The body of the flow: find or write the run in the ledger, then drive it, each stage as a task run, through one client."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    flow_run = context.flow_run
    home = Path.home() if flow_run.deployment_id else Path.cwd()
    proposal = proposed(connector, chosen, home)
    with (
        heard(),
        closing(Ledger()) as ledger,
        closing(PrefectView(flow_run.id, str(flow_run.name), get_run_logger())) as view,
    ):
        known = ledger.of_flow_run(str(flow_run.id)) or ledger.run(run_id_of(str(flow_run.id), flow_run.tags))
        if known is not None and given_run.get() is None and is_exhausted(ledger, known):
            forgive(ledger, known)  # somebody pressed Retry in the UI, and does not want the same end again
        record = known or _new(ledger, proposal, flow_run)
        views = Views([view, *given_views.get()])
        try:
            if was_cancelled_meanwhile(record, flow_run):
                raise RunCancelled(record.message)
            with engine.controlled(ledger, record, proposal, views) as run, SyncClientContext.get_or_create():
                result = engine.drive(run, _as_task_run, str(flow_run.id))
        except (RunFailed, RunCancelled, ResourceError) as error:
            view.report(failure(record.id, error), cost.of_run(ledger, record.id))
            raise
        view.report(result, cost.of_run(ledger, record.id))
        return result


def was_cancelled_meanwhile(record: RunRecord, flow_run: FlowRun) -> bool:
    """Whether it was cancelled between the call, or what was handed out to workers, and now: one of before is to go on."""
    if record.status != "cancelled":
        return False
    if (called := given_run.get()) is not None:
        return not called.was_in_hand and record.ended != called.ended
    if record.flow_run or flow_run.created is None:
        return False
    return record.ended is not None and flow_run.created.timestamp() < record.ended


def _new(ledger: Ledger, proposal: Proposal, flow_run: FlowRun) -> RunRecord:
    if given_run.get() is None:  # nobody has looked at the request yet
        engine.validate(proposal)
    run_id = run_id_of(str(flow_run.id))
    connector, request = proposal.connector, proposal.request.model_dump_json()
    name, folder = connector.name, str(connector.folder)
    record = RunRecord(run_id, f"{name}-{run_id}", name, request, flow_run=str(flow_run.id), folder=folder)
    ledger.add(record)
    return record


def _as_task_run(stage: Stage, run: Run, state: RunState) -> RunState:
    """Execute a stage as a Prefect task run, repeated after transient faults."""
    errors: list[Exception] = []
    done: list[RunState] = []

    def act() -> RunState:
        try:
            done.append(engine.execute(stage, run, state))
            return done[-1]
        except Exception as error:
            errors.append(error)
            raise

    def is_transient(_task: object, _task_run: object, _state: object) -> bool:
        error = errors[-1]
        return isinstance(error, ChimineyError) and error.transient

    execution: Task[[], RunState] = Task(
        fn=act,
        name=stage.name,
        task_run_name=f"{stage.name}-{state.iteration}",
        retries=stage.retries,
        retry_delay_seconds=exponential_backoff(1),
        retry_jitter_factor=0.5,
        retry_condition_fn=cast(Any, is_transient),
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    with TagsContext(current_tags=set()):  # for each tag Prefect would ask the server for leave to begin, and fail without one
        try:
            return execution()
        except Pause:  # somebody pressed Suspend, which Prefect heeds between tasks
            if state.ending is None:
                raise RunCancelled("the run was suspended") from None
            if not done and errors:
                raise errors[-1] from None
            return done[-1] if done else engine.execute(stage, run, state)  # hosts must be let go


def clean_up(connector: SmartConnector, flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of every bad ending, perhaps in another process: what the controller could not do any more is done from the ledger."""
    with closing(Ledger()) as ledger:
        record = ledger.of_flow_run(str(flow_run.id))
        if record is not None and reaper.needs_reaping(ledger, record, is_begun=True):
            reaper.end(
                ledger,
                record,
                lambda _name, _folder: connector,
                "cancelled" if state.is_cancelled() or state.is_cancelling() else "failed",
                state.message or f"the flow run is {state.name}",
            )
