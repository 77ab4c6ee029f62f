"""The points of a sweep, each as what its run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.errors import InvalidRequest
from blocks.mistakes import few
from blocks.storage.resource import joined
from flows.connector import SmartConnector
from flows.inputs import checked
from flows.request import RunRequest, SweepRequest, plain

MOST_RUNS = 100_000  # of a sweep


def problems(connector: SmartConnector, request: SweepRequest) -> list[str]:
    """What is wrong with the number of its points, or with the inputs of any of them."""
    if request.points > MOST_RUNS:
        return [
            f"the sweep has {request.points:,} points, and each would be a run of its own, of which there may be {MOST_RUNS:,}; "
            "make them the tasks of one run: chiminey run NAME --sweep MAP"
        ]
    found: list[str] = []
    for number, point in enumerate(request.sweep.points(), 1):
        try:
            _inputs(connector, request.run, point)
        except InvalidRequest as error:
            found += [f"point {number} of the sweep: {problem}" for problem in error.problems]
    return few(found)


def run_request(connector: SmartConnector, request: SweepRequest, sweep: str, point: Mapping[str, Any]) -> RunRequest:
    """What the run of one point is asked to do; its results go into the folder of the sweep of this name."""
    output = request.run.output
    inputs = _inputs(connector, request.run, point)
    return request.run.model_copy(
        update={
            "inputs": inputs,
            "point": {name: inputs.get(name, value) for name, value in point.items()},
            "output": output.model_copy(update={"path": joined(output.path, sweep)}),
        }
    )


def _inputs(connector: SmartConnector, run: RunRequest, point: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, with those that the sweep varies; other names of the point reach templates only."""
    varied = {name: value for name, value in point.items() if name in connector.Inputs.model_fields}
    return plain(checked(connector, {**run.inputs, **varied}).model_dump())
