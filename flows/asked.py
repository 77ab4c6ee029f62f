"""What was asked for, from one of its forms into another: as somebody gives it, as parameters of the flow, as a request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

from blocks.compute import ComputeResource
from blocks.curation.resource import CurationResource
from blocks.errors import AllAtOnce
from blocks.job import JobRequest
from blocks.storage import LocalStorage, StorageResource
from flows import engine, references, resources, sweep_map
from flows.connector import SmartConnector
from flows.inputs import checked, texts
from flows.proposal import Proposal
from flows.request import Location, Reliability, ResourceReference, RunRequest, plain

Compute = ComputeResource | ResourceReference | str
Place = StorageResource | Location | str
Curation = CurationResource | ResourceReference | str


class Asked(TypedDict, total=False):
    """All that is chosen at run time; what is missing or None is as the connector has it."""

    compute: Compute | None
    input: Place | None
    output: Place | None
    max_iterations: int | None
    reliability: Reliability | None
    job: JobRequest | Mapping[str, Any] | None
    cache: bool | None
    curation: Curation | None
    experiment: str | None
    inputs: Required[Mapping[str, Any]]


def prepared(
    connector: SmartConnector, sweep: Mapping[str, Any] | None = None, **asked: Unpack[Asked]
) -> tuple[dict[str, Any], RunRequest]:
    """What was asked for as parameters of the flow, and as a request that every stage has looked at.

    Raises:
        InvalidRequest: with every reason that any of them has; NotFound: there is no such resource.
    """
    chosen = resolved(connector, sweep, **asked)
    proposal = proposed(connector, chosen, Path.cwd())
    engine.validate(proposal)
    return chosen, proposal.request


def resolved(connector: SmartConnector, sweep: Mapping[str, Any] | None, **asked: Unpack[Asked]) -> dict[str, Any]:
    """What was asked for as parameters of a flow of the connector, be it of a run or of a sweep.

    Raises:
        InvalidRequest: it can't be, with every reason; NotFound: there is no such resource.
    """
    chosen = placed(asked.get("compute"), asked.get("input"), asked.get("output"))
    points = sweep_map.given(sweep, Path.cwd(), texts(connector)) if sweep is not None else None
    with AllAtOnce() as attempt:
        chosen["inputs"] = attempt(checked, connector, asked["inputs"], points)
        chosen["job"] = attempt(JobRequest.of, asked.get("job") or {})
    chosen["reliability"], chosen["cache"] = asked.get("reliability") or Reliability(), bool(asked.get("cache"))
    if (curation := asked.get("curation")) is not None:
        chosen["curation"] = _curation(curation)
    chosen["experiment"] = asked.get("experiment") or ""
    if points is not None:
        chosen["sweep"] = points.model_dump()
    if (most := asked.get("max_iterations")) is not None:
        chosen["max_iterations"] = most
    return chosen


def placed(compute: Compute | None, input: Place | None, output: Place | None) -> dict[str, Any]:
    """The resources as parameters of the flow.

    Raises:
        InvalidRequest, NotFound: one of the names stands for no such resource.
    """
    if isinstance(compute, ResourceReference):
        chosen: dict[str, Any] = {"compute": references.load(compute, ComputeResource)}
    else:
        chosen = {"compute": compute if isinstance(compute, ComputeResource) else resources.load_compute(compute)}
    for name, location in (("input", input), ("output", output)):
        if isinstance(location, str):
            chosen[name], chosen[f"{name}_path"] = resources.load_location(location)
        elif isinstance(location, Location):
            chosen[name], chosen[f"{name}_path"] = references.load(location.storage, StorageResource), location.path
        elif location is not None:
            chosen[name] = location
    return chosen


def _curation(curation: Curation) -> CurationResource:
    if isinstance(curation, ResourceReference):
        return references.load(curation, CurationResource)
    return resources.load_curation(curation) if isinstance(curation, str) else curation


def proposed(connector: SmartConnector, chosen: Mapping[str, Any], home: Path) -> Proposal:
    """What was chosen, as a request with its resources; results go below ``home`` when no storage is named."""
    compute: ComputeResource = chosen.get("compute") or resources.load_compute(None)
    output: StorageResource = chosen.get("output") or LocalStorage(path=str(home / resources.DEFAULT_OUTPUT))
    given: StorageResource | None = chosen.get("input")
    if given is None and connector.example_input is not None:
        given = LocalStorage(path=str(connector.folder / connector.example_input))
    curation: CurationResource | None = chosen.get("curation")
    inputs = chosen.get("inputs") or connector.Inputs()
    request = RunRequest(
        connector=connector.name,
        inputs=plain(inputs.model_dump()),
        compute=references.reference(compute),
        output=references.location(output, chosen.get("output_path") or ""),
        input=references.location(given, chosen.get("input_path") or "") if given is not None else None,
        sweep=sweep_map.given(chosen["sweep"], home, texts(connector)) if chosen.get("sweep") is not None else None,
        max_iterations=chosen.get("max_iterations") or connector.max_iterations,
        reliability=chosen.get("reliability") or Reliability(),
        job=chosen.get("job") or JobRequest(),
        cache=bool(chosen.get("cache")),
        curation=references.reference(curation) if curation is not None else None,
        experiment=chosen.get("experiment") or "",
    )
    return Proposal(request, connector, compute, given, output, curation)


def asked_again(connector: SmartConnector, request: RunRequest) -> Proposal:
    """What was asked for, with the resources as they are now. Raises NotFound: one was removed since."""
    compute = references.load(request.compute, ComputeResource)
    input = references.load(request.input.storage, StorageResource) if request.input is not None else None
    output = references.load(request.output.storage, StorageResource)
    curation = _curation(request.curation) if request.curation is not None else None
    return Proposal(request, connector, compute, input, output, curation)


def parameters(proposal: Proposal) -> dict[str, Any]:
    """What was asked for, as the parameters of the flow."""
    request = proposal.request
    chosen: dict[str, Any] = {
        "inputs": checked(proposal.connector, request.inputs),
        "compute": proposal.compute,
        "output": proposal.output_storage,
        "output_path": request.output.path,
        "max_iterations": request.max_iterations,
        "reliability": request.reliability,
        "job": request.job,
        "cache": request.cache,
        "experiment": request.experiment,
    }
    if proposal.curation is not None:
        chosen["curation"] = proposal.curation
    if request.input is not None:
        chosen |= {"input": proposal.input_storage, "input_path": request.input.path}
    if request.sweep is not None:
        chosen["sweep"] = request.sweep.model_dump()
    return chosen
