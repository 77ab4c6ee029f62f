"""A run as repositories are told of it: an experiment with a dataset for each start point, output, and final output.

Datasets are named as in the original: ``<iteration>_<run counter>`` of what went in, ``<iteration>_<generator>_<run counter>`` of
what came out, ``final_<generator>_<run counter>`` of what came out last.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from blocks.curation.experiment import Dataset, Experiment, ParameterSet
from flows import hooks, run_folder, start_points
from flows.curation.files import files
from flows.description import FinishedRun, StartPointSeen
from flows.finished import finished
from flows.inputs import checked
from flows.iteration import FinishedTask
from flows.run import Run
from flows.start_points import StartPoint
from flows.state import RunState


def experiment(run: Run, state: RunState) -> Experiment:
    """All that is kept of a run, read as it is asked for."""
    inputs = checked(run.connector, run.request.inputs)
    seen = FinishedRun(run.name, inputs, state.iteration + 1, state.criteria, state.results)
    return Experiment(
        run=run.name,
        title="/".join(PurePosixPath(run.output_storage.describe(run.folder)).parts[-2:]),
        description=_description(run),
        created=run.created,
        datasets=_datasets(run, state),
        parameter_sets=_described(run, "describe_run", seen),
        keywords=(run.connector.name,),
    )


def _described(run: Run, hook: str, *seen: object) -> tuple[ParameterSet, ...]:
    return hooks.ask_for_all(run.connector, hook, ParameterSet, *seen)


def _description(run: Run) -> str:
    swept = run.request.sweep.names() if run.request.sweep is not None else []
    values = {name: given for name, given in {**run.request.inputs, **run.request.point}.items() if name not in swept}
    told = [run.connector.description.rstrip(".")] if run.connector.description else []
    told += [f"With {json.dumps(values, ensure_ascii=False)}"] if values else []
    told += [f"For each of several values of {', '.join(swept)}"] if swept else []
    return " ".join(f"{each}." for each in told)


def _datasets(run: Run, state: RunState) -> Iterator[Dataset]:
    yield from _inputs(run)
    for iteration in range(state.iteration + 1):
        for task in _tasks(run, state, iteration):
            yield _output(run, task, f"{iteration}_{_counters(task)}", _described(run, "describe_output", task, iteration))
    if state.ending == "completed":
        for task in _tasks(run, state, state.iteration):
            described = _described(run, "describe_final", task, state.iteration)
            yield _output(run, task, f"final_{_counters(task)}", described)


def _inputs(run: Run) -> Iterator[Dataset]:
    points = _start_points(run, 0)
    counters = Counter(point.values.get("run_counter") for point in points)
    for point in points:
        run.control.check()
        counter = point.values.get("run_counter")
        is_numbered = counter is not None and counters[counter] == 1
        name = f"0_{counter}" if is_numbered else "/".join(PurePosixPath(point.folder).parts[-2:])
        described = _described(run, "describe_input", StartPointSeen(point.name, point.values))
        yield Dataset(name, lambda point=point: files(run, point.folder), described)


def _output(run: Run, task: FinishedTask, name: str, described: tuple[ParameterSet, ...]) -> Dataset:
    run.control.check()
    return Dataset(name, lambda: files(run, task.folder, lambda path: _described(run, "describe_file", task, path)), described)


def _tasks(run: Run, state: RunState, iteration: int) -> list[FinishedTask]:
    """Those that succeeded in an iteration."""
    if all(task.status != "completed" for task in run.ledger.tasks(run.id, iteration)):  # its sweep may be what ended the run
        return []
    names = tuple(point.name for point in _start_points(run, iteration))
    return list(finished(run, state.model_copy(update={"iteration": iteration, "start_points": names})).tasks)


def _start_points(run: Run, iteration: int) -> list[StartPoint]:
    folder = f"{run.folder}/{run_folder.inputs(iteration)}"
    return start_points.read(run.output_storage, folder) if run.output_storage.exists(folder) else []


def _counters(task: FinishedTask) -> str:
    return f"{task.values['generator_counter']}_{task.values['run_counter']}"
