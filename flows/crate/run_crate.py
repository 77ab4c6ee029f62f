"""The crate of a run: what was computed, from what, by what, where and when, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Container
from itertools import chain
from typing import Any

from blocks.errors import ChimineyError
from flows import start_points
from flows.crate import METADATA, actions, document, workflow
from flows.crate.contents import contents
from flows.crate.entities import Entity, exit_code, file, folder, folders, identifier, moment, reference, value, value_identifier
from flows.digest import Checksums
from flows.ledger import HostRecord, PayloadTask
from flows.plan import Plan
from flows.result import RunResult
from flows.run import Run
from flows.state import RunState


def write(run: Run, state: RunState, result: RunResult) -> None:
    """Write it beside ``run.json``.

    Raises:
        ResourceError: the storage can't be read or written.
    """
    run.output_storage.write(f"{run.folder}/{METADATA}", _crate(run, state, result))


def _crate(run: Run, state: RunState, result: RunResult) -> bytes:
    tasks = run.ledger.tasks(run.id)
    files = contents(run, tasks)
    places = folders(files)
    known = {place["@id"] for place in places} | set(map(identifier, files))
    values = _Values(run, state, tasks, known)
    told = workflow.Told(
        name=run.name,
        description=_description(run, result),
        connector=run.connector,
        files=files,
        tool=workflow.program(run.connector, files),
        values={entity["name"]: entity["value"] for entity in values.entities.values()},
        has_input="input_0/" in known,
        has_tasks=bool(tasks),
        circumstances=state.circumstances,
        ended=state.ended or time.time(),
    )
    given = [*(value_identifier(*each) for each in run.request.inputs.items()), *actions.there(known, "input_0/")]
    whole = actions.of_run(told, result, run.created, given, _results(files, known))
    controls = list(actions.of_iterations(tasks, workflow.STEP))
    latest = _latest(state, known)
    entities = chain(
        latest,
        places,
        (file(path, found) for path, found in files.items()),
        values.entities.values(),
        (exit_code(code) for code in {task.exit_code for task in tasks} if code is not None),
        map(_host, run.ledger.hosts(run.id)),
        actions.of_engine(whole, workflow.ENGINE, controls),
        [whole, *controls],
        (actions.of_task(told, task, values.of(task), values.start_point(task), known) for task in tasks),
    )
    there = [*(place["@id"] for place in (*latest, *places)), *map(identifier, files)]
    parts = [name for name in there if "/" not in name.removesuffix("/")]
    mentioned = [actions.RUN, *map(actions.task_identifier, tasks)]
    return document.of(workflow.described(told), parts, mentioned, entities)


class _Values:
    """What the run and each of its tasks were given."""

    def __init__(self, run: Run, state: RunState, tasks: list[PayloadTask], known: Container[str]) -> None:
        self._plans = {iteration: _plan(run, state, iteration, known) for iteration in {task.iteration for task in tasks}}
        self.entities: dict[str, Entity] = {}  # each value once, however many tasks have it
        for given in chain([run.request.inputs], map(self.of, tasks)):
            for name, content in given.items():
                self.entities.setdefault(value_identifier(name, content), value(name, content))

    def of(self, task: PayloadTask) -> dict[str, Any]:
        """What a task computed with; of one whose input was removed, its own point."""
        plan = self._plans[task.iteration]
        return plan.values(task) if plan is not None else task.point

    def start_point(self, task: PayloadTask) -> str:
        """The name of the folder that it began from; empty for none."""
        plan = self._plans[task.iteration]
        return plan.start_point(task) if plan is not None else ""


def _plan(run: Run, state: RunState, iteration: int, known: Container[str]) -> Plan | None:
    """The plan of an iteration once more; None when its input is not there any more."""
    try:
        if iteration == state.iteration:
            return run.plan(state)
        place = f"input_{iteration}"
        points = start_points.read(run.output_storage, f"{run.folder}/{place}") if f"{place}/" in known else []
        return Plan(run.connector, run.request, iteration, points)
    except ChimineyError:
        return None


def _description(run: Run, result: RunResult) -> str:
    about = run.connector.description or f"A run of {run.connector.name}."
    counts = f"{result.tasks.completed} of {result.tasks.total} tasks completed"
    return f"{about} Run by Chiminey on {moment(run.created)}: {result.state.replace('-', ' ')}, {counts}."


def _results(files: Checksums, known: set[str]) -> list[str]:
    """What the whole run gave: the outputs of its iterations, its tables and plots."""
    outputs = sorted(name for name in known if name.startswith("output_") and name.count("/") == 1 and name.endswith("/"))
    return [*outputs, *(identifier(path) for path in files if "/" not in path and not path.endswith(".json"))]


def _latest(state: RunState, known: Container[str]) -> list[Entity]:
    """The second name of the last iteration's outputs, once there is one."""
    source = f"output_{state.iteration}/"
    if not state.converged or source not in known:
        return []
    return [folder("output", [], sameAs=reference(source), description="the outputs of the last iteration, under a second name")]


def _host(host: HostRecord) -> Entity:
    name = host.address or host.id
    return {"@id": f"#host/{identifier(host.id)}", "@type": "Place", "name": name, "description": host.note or host.status}
