"""The crate of a sweep: its points and what came of them, each a crate of its own in a folder of this one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import chain
from typing import Any

from blocks.storage.resource import StorageResource
from blocks.tree import folder
from flows import connector_files
from flows.circumstances import Circumstances
from flows.crate import CRATE, METADATA, actions, document, workflow
from flows.crate.contents import records
from flows.crate.entities import (
    Entity,
    file,
    folders,
    identifier,
    moment,
    reference,
    references,
    value,
    value_identifier,
    when,
)
from flows.digest import Passing
from flows.ledger import RunRecord, is_completed
from flows.request import RunRequest
from flows.sweep import outcome
from flows.sweep.sweep import Sweep


def write(sweep: Sweep, storage: StorageResource, result: outcome.SweepResult) -> None:
    """Write it beside ``run.json``, with the connector.

    Raises:
        ResourceError: the storage can't be read or written.
    """
    place = outcome.folder(sweep)
    seen = Passing()
    source = (entry.under(connector_files.FOLDER) for entry in connector_files.tree(sweep.connector))
    storage.collect(place, seen(chain([folder(connector_files.FOLDER)], source)))
    files = records(storage, place) | seen.files()
    children = sweep.ledger.children(sweep.record.id)
    given = [_given(child) for child in children]
    values = {value_identifier(*each): value(*each) for values in (sweep.request.run.inputs, *given) for each in values.items()}
    told = workflow.Told(
        name=sweep.record.name,
        description=_description(sweep, result),
        connector=sweep.connector,
        files=files,
        tool="",
        values={entity["name"]: entity["value"] for entity in values.values()},
        has_input=False,
        has_tasks=bool(children),
        circumstances=Circumstances.now(),
        ended=time.time(),
    )
    places = [*folders(files), *map(_crate, children)]
    points = [_point(told, child, values) for child, values in zip(children, given, strict=True)]
    whole = _whole(told, sweep, result, children)
    controls = _controls(points)
    entities = chain(
        places,
        (file(path, found) for path, found in files.items()),
        map(_metadata, children),
        values.values(),
        actions.of_engine(whole, workflow.ENGINE, controls),
        [whole, *controls, *points],
    )
    there = [*(entity["@id"] for entity in places), *map(identifier, files)]
    parts = [name for name in there if "/" not in name.removesuffix("/")]
    mentioned = [entity["@id"] for entity in (whole, *points)]
    storage.write(f"{place}/{METADATA}", document.of(workflow.described(told), parts, mentioned, entities))


def _description(sweep: Sweep, result: outcome.SweepResult) -> str:
    about = f"{sweep.connector.description} " if sweep.connector.description else ""
    return f"A sweep of {sweep.connector.name}. {about}Run by Chiminey on {moment(sweep.record.created)}: {result.parts}."


def _given(child: RunRecord) -> dict[str, Any]:
    """The values of a point, those too that reach nothing but templates."""
    request = RunRequest.model_validate_json(child.request)
    return {**request.inputs, **request.point}


def _whole(told: workflow.Told, sweep: Sweep, result: outcome.SweepResult, children: list[RunRecord]) -> Entity:
    swept = sweep.request.sweep.names()
    common = [value_identifier(*each) for each in sweep.request.run.inputs.items() if each[0] not in swept]
    tables = [name for name in told.files if name.startswith("results.")]
    return actions.of_run(told, result, sweep.record.created, common, [*map(_folder, children), *tables])


def _folder(child: RunRecord) -> str:
    return f"{identifier(child.name)}/"


def _crate(child: RunRecord) -> Entity:
    """The folder of a point's run, which says itself what is in it."""
    described = {"conformsTo": reference(CRATE), "subjectOf": reference(f"{_folder(child)}{METADATA}")}
    return {"@id": _folder(child), "@type": "Dataset", "name": child.name, "position": str(child.number), **described}


def _metadata(child: RunRecord) -> Entity:
    kinds = {"@type": "CreativeWork", "encodingFormat": "application/ld+json"}
    return {"@id": f"{_folder(child)}{METADATA}", **kinds}  # with "about" a reader would take it for this crate's own


def _point(told: workflow.Told, child: RunRecord, values: Mapping[str, Any]) -> Entity:
    ending = {"actionStatus": actions.COMPLETED}
    if not is_completed(child.status):
        ending = {"actionStatus": actions.FAILED, "error": child.message or child.status}
    return {
        "@id": f"#point-{child.number}",
        "@type": "CreateAction",
        "name": child.name,
        "description": f"point {child.number} of the sweep: {child.status.replace('-', ' ')}",
        "instrument": reference(workflow.TOOL),
        "agent": reference(told.circumstances.agent),
        "object": references(value_identifier(*each) for each in values.items()),
        "result": references([_folder(child)]),
        **when(child.created, child.ended or 0.0),
        **ending,
    }


def _controls(points: list[Entity]) -> list[Entity]:
    """The points as executions of the one step; none where none was begun."""
    step = {"@id": "#points", "@type": "ControlAction", "name": "points", "instrument": reference(workflow.STEP)}
    return [{**step, "object": references(points)}] if points else []
