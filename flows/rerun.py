"""Repeating the run or the sweep of a crate, and comparing what it gives with what the crate has."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from posixpath import dirname
from typing import Any

from blocks.compute import ComputeResource
from blocks.errors import InvalidRequest
from blocks.job import JobRequest
from blocks.storage.resource import joined
from flows import asked, engine, flow, references, run_folder
from flows.connector import SmartConnector
from flows.crate.reading import Crate
from flows.crate.verification import require
from flows.inputs import checked
from flows.ledger import Ledger, RunRecord
from flows.proposal import Proposal
from flows.request import Location, RunRequest, SweepRequest
from flows.result import RunResult
from flows.sweep import flow as sweep_flow
from flows.view import View

_OUTPUT = re.compile(r"output_\d+/\d+/(?!values$)")  # what a task wrote; its values are a record of ours

INPUT = run_folder.inputs(0)

Outputs = dict[str, str]  # SHA-256 by path
Start = Callable[[Sequence[View]], Coroutine[Any, Any, "RerunResult"]]


@dataclass(frozen=True)
class Changes:
    """Where it is to be computed, and what is to be other than in the crate."""

    compute: ComputeResource
    output: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    job: JobRequest = field(default_factory=JobRequest)


class RerunResult(RunResult):
    """How a repeated run ended, and whether what its tasks wrote is what the crate has."""

    crate: str
    same: bool
    equal: int  # files
    different: int
    missing: int  # that the crate has
    additional: int  # that it has not
    unreadable: int = 0  # runs of the crate, of a sweep, of which nobody knows what they have; then it is not the same


def prepared(crate: Crate, connector: SmartConnector, changes: Changes, run_id: str) -> Start:
    """What repeats the run of a crate, as the run of this id.

    Raises:
        InvalidRequest: it can't be repeated, with every reason; NotFound: there is no such resource.
    """
    request = crate.request
    if isinstance(request, SweepRequest):
        known = _known(crate, has_input=request.run.input is not None)
        return lambda views: _sweep(crate, known, connector, request, changes, run_id, views)
    proposal = _proposal(crate, connector, request, changes)
    engine.validate(proposal)
    return lambda views: _run(crate, proposal, run_id, views)


def _proposal(crate: Crate, connector: SmartConnector, request: RunRequest, changes: Changes) -> Proposal:
    chosen = {
        **asked.placed(changes.compute, _start_points(crate) if request.input else None, changes.output),
        "inputs": checked(connector, {**request.inputs, **changes.inputs}, request.sweep),
        "sweep": request.sweep.model_dump() if request.sweep is not None else None,
        "max_iterations": request.max_iterations,
        "reliability": request.reliability,
        "job": changes.job.over(request.job),
    }
    proposal = asked.proposed(connector, chosen, Path.cwd())
    return replace(proposal, request=proposal.request.model_copy(update={"point": request.point}))


async def _run(crate: Crate, proposal: Proposal, run_id: str, views: Sequence[View]) -> RerunResult:
    name, folder = proposal.connector.name, str(proposal.connector.folder)
    with closing(Ledger()) as ledger:
        record = RunRecord(run_id, f"{name}-{run_id}", name, proposal.request.model_dump_json(), folder=folder)
        ledger.add(record)
        result = await flow.begin(proposal, record, views)
        found = _of_run(ledger, run_id)
    return _compared(crate, result, _of_crate(crate), found)


@dataclass
class _Known:
    """What the crate of a sweep has of its runs."""

    input: Location | None = None  # the start points, which all of them had
    outputs: Outputs = field(default_factory=Outputs)  # each below the number of its point
    unreadable: list[int] = field(default_factory=list[int])  # points whose runs have no crate, or not any more


def _known(crate: Crate, *, has_input: bool) -> _Known:
    """What the runs have, one after the other, before anything is computed.

    Raises:
        InvalidRequest: there are to be start points, and no run has them as they were.
    """
    known = _Known()
    reason = f"no run of {crate.name} has the start points"
    for number, folder in crate.runs.items():
        try:
            run = crate.run(folder)
        except InvalidRequest:
            known.unreadable.append(number)
            continue
        known.outputs |= {f"{number}/{path}": sha256 for path, sha256 in _of_crate(run).items()}
        if has_input and known.input is None and run.storage.exists(joined(run.folder, INPUT)):
            try:
                require(run, INPUT)
                known.input = _start_points(run)
            except InvalidRequest as error:
                reason = str(error)
    if has_input and known.input is None:
        raise InvalidRequest(reason)
    return known


async def _sweep(
    crate: Crate,
    known: _Known,
    connector: SmartConnector,
    request: SweepRequest,
    changes: Changes,
    run_id: str,
    views: Sequence[View],
) -> RerunResult:
    result = await sweep_flow.call(
        connector,
        sweep=request.sweep.model_dump(),
        at_once=request.at_once,
        compute=changes.compute,
        input=known.input,
        output=changes.output,
        max_iterations=request.run.max_iterations,
        reliability=request.run.reliability,
        job=changes.job.over(request.run.job),
        inputs={**request.run.inputs, **changes.inputs},
        views=views,
        run_id=run_id,
    )
    with closing(Ledger()) as ledger:
        ours = {
            f"{child.number}/{path}": sha256
            for child in ledger.children(run_id)
            if child.number not in known.unreadable
            for path, sha256 in _of_run(ledger, child.id).items()
        }
    return _compared(crate, result, known.outputs, ours, len(known.unreadable))


def _start_points(crate: Crate) -> Location:
    """Those of a run, as its crate has them."""
    return references.location(crate.storage, joined(crate.folder, INPUT))


def _of_crate(crate: Crate) -> Outputs:
    return {path: sha256 for path, (_, sha256) in crate.files.items() if _OUTPUT.match(path)}


def _of_run(ledger: Ledger, run_id: str) -> Outputs:
    kept = ledger.files(run_id)
    files = {joined(dirname(place), path): sha256 for place, listing in kept.items() for path, (_, sha256) in listing.items()}
    return {path: sha256 for path, sha256 in files.items() if _OUTPUT.match(path)}


def _compared(crate: Crate, result: RunResult, theirs: Outputs, ours: Outputs, unreadable: int = 0) -> RerunResult:
    both = theirs.keys() & ours.keys()
    equal = sum(theirs[path] == ours[path] for path in both)
    missing, additional = len(theirs.keys() - both), len(ours.keys() - both)
    agree = theirs == ours
    counts = f"{equal} files equal, {len(both) - equal} different, {missing} missing, {additional} additional"
    told = f"the outputs are {'the same as' if agree else 'not'} those of {crate.name}"
    if unreadable and not theirs:
        told = f"the outputs could not be compared with those of {crate.name}"
    elif unreadable:
        told += ", as far as these can be read"
    lost = f"; {unreadable} {'run' if unreadable == 1 else 'runs'} of the crate can't be read" if unreadable else ""
    return RerunResult(
        **{name: getattr(result, name) for name in RunResult.model_fields if name != "messages"},
        messages=(*result.messages, f"{told}: {counts}{lost}"),
        crate=crate.name,
        same=agree and not unreadable,
        equal=equal,
        different=len(both) - equal,
        missing=missing,
        additional=additional,
        unreadable=unreadable,
    )
