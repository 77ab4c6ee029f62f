"""A sweep of a connector as a Prefect flow, each of its runs a flow run of the connector.

The runs are carried out in the sweep's own process, or where there are workers by them, through the connector's deployment.
"""

from __future__ import annotations

import functools
import inspect
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Unpack, cast

import httpx
from prefect import Flow, get_run_logger, runtime, tags
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from pydantic import Field

from blocks.errors import InvalidRequest, LeaseLost, ResourceError, RunCancelled, RunFailed
from flows import cost, engine, sweep_map
from flows.asked import Asked, asked_again, parameters, proposed, resolved
from flows.connector import SmartConnector
from flows.flow import TAG, as_flow, begin, run_id_of, was_cancelled_meanwhile
from flows.flow_call import CalledRun, body, carried_out, given_run, given_views, run_here
from flows.form import SWEEP_HELP, form_field, signature
from flows.inputs import texts
from flows.interrupt import heard
from flows.ledger import Ledger, RunRecord
from flows.ledger.patience import patiently
from flows.prefect_view import PrefectView
from flows.proposal import Proposal
from flows.request import RunRequest, SweepRequest
from flows.result import failure
from flows.retry import failed_runs, forgive
from flows.sweep.by_workers import ByWorkers
from flows.sweep.outcome import SweepResult, outcome
from flows.sweep.points import problems, run_request
from flows.sweep.records import keep_records, keep_records_of_early_end
from flows.sweep.sweep import Sweep
from flows.taking_up import at_work, called_as, heed_cancel, let_leave
from flows.view import View, Views

PREFIX = "sweep-"
AT_ONCE = 4


def sweep_flow(connector: SmartConnector) -> Flow[..., SweepResult]:
    """The flow of a connector's sweeps, ``connector.sweep_flow``: the connector's parameters, the map, how it is spread."""

    async def sweep(**chosen: Any) -> SweepResult:
        return body(lambda: _sweep(connector, chosen))

    sweep.__doc__ = f"Sweep for {connector.description}"
    return as_flow(connector, sweep, f"{PREFIX}{connector.name}", _signature(connector), functools.partial(_name, connector))


async def call(
    connector: SmartConnector,
    *,
    sweep: Mapping[str, Any],
    at_once: int = AT_ONCE,
    by_workers: bool = False,
    views: Sequence[View] = (),
    run_id: str | None = None,
    **asked: Unpack[Asked],
) -> SweepResult:
    """Sweep a connector, with resources as Blocks, by name, or as an earlier run had them.

    Raises:
        InvalidRequest: something asked for can't be; RunFailed: no point succeeded; RunCancelled.
    """
    chosen = {**resolved(connector, sweep, **asked), "at_once": at_once, "by_workers": by_workers}
    check(*requested(connector, chosen, Path.cwd()))
    return await _start(connector, chosen, views, CalledRun(run_id or secrets.token_hex(5)))


async def _start(connector: SmartConnector, chosen: dict[str, Any], views: Sequence[View], called: CalledRun) -> SweepResult:
    if not connector.Inputs.model_fields:
        del chosen["inputs"]
    return await carried_out(connector.sweep_flow, chosen, called, views)


async def go_on(connector: SmartConnector, record: RunRecord, views: Sequence[View]) -> SweepResult:
    """Run the points of a sweep that are missing."""
    request = SweepRequest.model_validate_json(record.request)
    own = {"sweep": request.sweep.model_dump(), "at_once": request.at_once, "by_workers": request.by_workers}
    chosen = {**parameters(asked_again(connector, request.run)), **own}
    return await _start(connector, chosen, views, called_as(record))


def requested(connector: SmartConnector, chosen: Mapping[str, Any], home: Path) -> tuple[Proposal, SweepRequest]:
    """What was chosen, as a request with its resources."""
    common = {name: value for name, value in chosen.items() if name not in ("sweep", "at_once", "by_workers")}
    proposal = proposed(connector, common, home)
    sweep = sweep_map.given(chosen["sweep"], home, texts(connector))
    request = SweepRequest(
        run=proposal.request,
        sweep=sweep,
        points=sweep.count(),
        at_once=chosen.get("at_once") or AT_ONCE,
        by_workers=bool(chosen.get("by_workers")),
    )
    return proposal, request


def check(proposal: Proposal, request: SweepRequest) -> None:
    """Ask all that can be asked before anything starts: every point's inputs, and all stages about the first point.

    Raises:
        InvalidRequest: with every reason.
    """
    connector = proposal.connector
    if found := problems(connector, request):
        raise InvalidRequest(*found)
    first = run_request(connector, request, "sweep", next(request.sweep.points()))
    engine.validate(replace(proposal, request=first))


def _signature(connector: SmartConnector) -> inspect.Signature:
    common = [parameter for parameter in signature(connector).parameters.values() if parameter.name != "sweep"]
    own: dict[str, tuple[Any, Any]] = {
        "sweep": (
            dict[str, Any],
            form_field(..., "Sweep", f"Values to sweep over; each point is a run of its own. {SWEEP_HELP}"),
        ),
        "at_once": (
            Annotated[int, Field(ge=1)],  # where Prefect keeps the bound
            form_field(AT_ONCE, "Runs at once", "How many runs at the same time, at most."),
        ),
        "by_workers": (
            bool,
            form_field(
                False, "Spread over workers", "Spread the runs over the workers of the work pool; else one process runs them."
            ),
        ),
    }
    first = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field, annotation=annotation)
        for name, (annotation, field) in own.items()
    ]
    return inspect.Signature([*first, *common], return_annotation=SweepResult)


def _name(connector: SmartConnector) -> str:
    return f"{PREFIX}{connector.name}-{run_id_of(str(cast(Any, runtime).flow_run.id))}"


def _sweep(connector: SmartConnector, chosen: dict[str, Any]) -> SweepResult:
    """The body of the flow: find or write the sweep in the ledger, then drive it."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    flow_run = context.flow_run
    proposal, request = requested(connector, chosen, Path.home() if flow_run.deployment_id else Path.cwd())
    with (
        heard() as interrupt,
        closing(Ledger()) as ledger,
        closing(PrefectView(flow_run.id, str(flow_run.name), get_run_logger())) as view,
    ):
        called = given_run.get()
        known = ledger.of_flow_run(str(flow_run.id)) or ledger.run(called.id if called else "")
        if known is None and called is None:  # nobody has looked at the request yet
            check(proposal, request)
        if known is not None and called is None and known.status != "running":
            for failed in failed_runs(ledger, known):  # somebody pressed Retry in the UI, and does not want the same end again
                forgive(ledger, failed)
        record = known or _new(ledger, connector, request, flow_run)
        try:
            if was_cancelled_meanwhile(record, flow_run):
                raise RunCancelled(record.message)
            with _controlled(ledger, record, connector, Views([view, *given_views.get()])) as sweep, proposal.held():
                sweep.control.interrupt = interrupt
                result = _driven(sweep, proposal, str(flow_run.id))
        except (RunFailed, RunCancelled, ResourceError) as error:
            view.report(failure(record.id, error), cost.of_run(ledger, record.id))
            raise
        view.report(result, cost.of_run(ledger, record.id))
        return result


def _new(ledger: Ledger, connector: SmartConnector, request: SweepRequest, flow_run: FlowRun) -> RunRecord:
    run_id = run_id_of(str(flow_run.id))
    name, asked_for = f"{PREFIX}{connector.name}-{run_id}", request.model_dump_json()
    folder = str(connector.folder)
    record = RunRecord(run_id, name, connector.name, asked_for, flow_run=str(flow_run.id), kind="sweep", folder=folder)
    ledger.add(record)
    return record


@contextmanager
def _controlled(ledger: Ledger, record: RunRecord, connector: SmartConnector, view: View) -> Generator[Sweep]:
    let_leave(ledger, record)
    with ledger.held(record, at_work(record)) as lease:
        heed_cancel(ledger, record)
        with closing(Sweep(record, connector, ledger, lease, view)) as sweep:
            yield sweep


def _driven(sweep: Sweep, proposal: Proposal, flow_run: str) -> SweepResult:
    """Take the sweep to its end, and write how it ended. Raises what ended it early."""
    sweep.lease.begin(flow_run)
    carry_out = ByWorkers(sweep) if sweep.request.by_workers else functools.partial(_here, sweep, proposal)
    try:
        sweep.drive(carry_out)
    except LeaseLost:
        raise
    except BaseException as error:  # also a Ctrl-C, or Prefect's signal to end
        cancelled = isinstance(error, RunCancelled) or not isinstance(error, Exception)
        status, reason = "cancelled" if cancelled else "failed", str(error) or "the sweep was interrupted"
        patiently(lambda: sweep.lease.end(status, reason))
        keep_records_of_early_end(sweep, proposal.output_storage, status, reason)
        raise
    result = outcome(sweep, proposal.output_storage)
    keep_records(sweep, proposal.output_storage, result)
    patiently(lambda: sweep.lease.end(result.state, "; ".join(result.messages)))
    if result.state == "failed":
        raise RunFailed(f"no point of the sweep succeeded; {result.messages[0]}")
    return result


def _here(sweep: Sweep, proposal: Proposal, child: RunRecord, view: View) -> None:
    """Carry a run out in this process, with the sweep's own resources: the server need not be asked for them again."""
    asked_of_it = replace(proposal, request=RunRequest.model_validate_json(child.request))
    try:
        with tags(TAG, sweep.record.name):
            run_here(begin(asked_of_it, child, [view]))
    except (httpx.HTTPError, PrefectException):
        sweep.say("warning", f"{child.name} is run without being seen in Prefect, for its server can't be told of it")
        _unseen(asked_of_it, child, view)


def _unseen(proposal: Proposal, child: RunRecord, view: View) -> None:
    with closing(Ledger()) as ledger, engine.controlled(ledger, child, proposal, view) as run:
        engine.drive(run, engine.execute)
