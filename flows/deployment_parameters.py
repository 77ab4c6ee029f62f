"""What was asked for, as the parameters with which a connector's deployment does it."""

from __future__ import annotations

from typing import Any

from flows.request import ResourceReference, RunRequest


def deployment_parameters(request: RunRequest) -> dict[str, Any]:
    """The parameters with which a connector's deployment runs what was asked for; saved resources are referred to."""
    chosen: dict[str, Any] = {
        "inputs": request.inputs,
        "compute": _resource(request.compute),
        "sweep": request.sweep.model_dump() if request.sweep is not None else None,
        "max_iterations": request.max_iterations,
        "reliability": request.reliability.model_dump(),
        "job": request.job.model_dump(exclude_defaults=True),
        "cache": request.cache,
        "curation": _resource(request.curation) if request.curation is not None else None,
        "experiment": request.experiment or None,
    }
    for name, location in (("input", request.input), ("output", request.output)):
        if location is not None:
            chosen |= {name: _resource(location.storage), f"{name}_path": location.path}
    return {name: value for name, value in chosen.items() if value not in ({}, None)}


def _resource(reference: ResourceReference) -> dict[str, Any]:
    if not reference.name:
        return reference.settings
    return {"$ref": {"block_document_slug": f"{reference.slug}/{reference.name}"}}
