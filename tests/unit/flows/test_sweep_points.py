"""The points of a sweep of runs, held to the connector's inputs before anything begins."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from flows import Inputs
from flows.request import Location, ResourceReference, RunRequest, SweepRequest
from flows.sweep.points import problems
from flows.sweep_map import SweepMap
from tests.payloads import connector

HERE = ResourceReference(slug="local-storage")


class Values(Inputs):
    """Sample inputs."""

    x: int = Field(default=0, le=2)


def test_of_many_points_that_are_wrong_the_first_ten_are_told_and_the_others_counted(tmp_path: Path) -> None:
    run = RunRequest(connector="sample", inputs={}, compute=HERE, output=Location(storage=HERE))
    swept = SweepMap({"x": list(range(1, 51))})
    request = SweepRequest(run=run, sweep=swept, points=swept.count(), at_once=1, by_workers=False)

    told = problems(connector(tmp_path, "true", Inputs=Values), request)

    assert told[0] == "point 3 of the sweep: x: must be less than or equal to 2 (got 3)"
    assert told[9].startswith("point 12 of the sweep: ")
    assert told[10:] == ["and 38 more"]
