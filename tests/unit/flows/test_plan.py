"""The tasks of an iteration: points times start points, and whose values win."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from blocks.errors import InvalidRequest
from blocks.storage import LocalStorage
from flows import Inputs, SmartConnector, start_points
from flows.inputs import checked
from flows.plan import Plan
from flows.request import Location, ResourceReference, RunRequest
from flows.sweep_map import SweepMap
from tests.payloads import connector

HERE = ResourceReference(slug="local-storage")


class Values(Inputs):
    """Sample inputs."""

    form: int = Field(default=3)
    shared: str = Field(default="form")


def plan(folder: Path, sweep: dict[str, Any], storage: LocalStorage | None = None) -> Plan:
    sample = connector(folder, "true", Inputs=Values, arguments=("form", "shared"))
    request = RunRequest(
        connector="sample",
        inputs={"form": 3, "shared": "form"},
        compute=HERE,
        output=Location(storage=HERE),
        sweep=SweepMap(sweep),
    )
    return Plan(sample, request, 0, start_points.read(storage, "input") if storage else [])


def lay_out(root: Path, files: dict[str, str]) -> LocalStorage:
    for name, text in files.items():
        path = root / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalStorage(path=str(root))


def test_every_start_point_meets_every_point_and_ids_go_on(tmp_path: Path) -> None:
    storage = lay_out(tmp_path, {"one/a": "", "two/a": ""})
    tasks = list(plan(tmp_path / "c", {"x": [1, 2]}, storage).tasks(5))

    assert [(task.id, task.start_point, task.point["x"]) for task in tasks] == [(5, 0, 1), (6, 0, 2), (7, 1, 1), (8, 1, 2)]


def test_precedence_is_top_values_start_values_inputs_sweep_counters(tmp_path: Path) -> None:
    storage = lay_out(
        tmp_path,
        {
            "values": json.dumps({"top": "top", "start": "top", "shared": "top", "run_counter": 4}),
            "one/values": json.dumps({"start": "start", "shared": "start", "swept": "start"}),
            "one/a": "",
        },
    )
    sample = plan(tmp_path / "c", {"swept": ["sweep"]}, storage)

    values = sample.values(next(iter(sample.tasks(9))))

    assert values == {
        "top": "top",
        "start": "start",
        "shared": "form",
        "form": 3,
        "swept": "sweep",
        "run_counter": 9,
        "generator_counter": 4,
    }


def test_a_connectors_own_sweep_may_be_of_any_form_with_its_files_beside_the_connector(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x,y\n1,2\n3,4\n")
    own = {"name": "sample", "folder": tmp_path, "internal_sweep": lambda *_: {"csv": "points.csv", "z": {"stop": 2}}}
    sample = type("Sample", (SmartConnector,), own)()
    request = RunRequest(connector="sample", inputs={}, compute=HERE, output=Location(storage=HERE))

    tasks = list(Plan(sample, request, 0, []).tasks(1))

    assert [(task.point["x"], task.point["y"], task.point["z"]) for task in tasks] == [(1, 2, 0), (1, 2, 1), (3, 4, 0), (3, 4, 1)]


def test_a_connectors_own_draws_need_a_seed_because_a_resumed_run_asks_again(tmp_path: Path) -> None:
    sample = connector(tmp_path, "true", {"x": {"random": {"count": 2}}})
    request = RunRequest(connector="sample", inputs={}, compute=HERE, output=Location(storage=HERE))

    with pytest.raises(InvalidRequest, match="'x': seed is missing"):
        Plan(sample, request, 0, [])


def test_arguments_follow_in_the_order_declared(tmp_path: Path) -> None:
    sample = plan(tmp_path, {"shared": ["it's $x"]})

    assert sample.order(next(iter(sample.tasks(1)))).arguments == ("3", "it's $x")


def test_an_undefined_name_in_the_second_start_point_is_found(tmp_path: Path) -> None:
    storage = lay_out(tmp_path, {"one/in_template": "{{ form }}", "two/in_template": "{{ missing }}"})

    (problem,) = plan(tmp_path / "c", {}, storage).problems()

    assert problem.startswith("two/in_template: 'missing' is undefined")


def test_all_that_is_wrong_with_the_input_is_said_at_once(tmp_path: Path) -> None:
    storage = lay_out(tmp_path, {"one/values": "[1]", "two/values": "{", "two/x_template": "{% if %}"})

    with pytest.raises(InvalidRequest) as raised:
        start_points.read(storage, "input")

    assert len(raised.value.problems) == 2 + 1


def test_an_input_without_sub_folders_is_explained(tmp_path: Path) -> None:
    storage = lay_out(tmp_path, {"lonely.txt": ""})

    with pytest.raises(InvalidRequest, match="has no sub-folder; put the input files into one"):
        start_points.read(storage, "input")


def test_links_that_would_be_passed_over_are_refused(tmp_path: Path) -> None:
    storage = lay_out(tmp_path, {"one/a": "", "shared/f_template": "", "shared/values": "{}"})
    for link in ("two", "one/values", "one/b_template", "values"):
        (tmp_path / "input" / link).symlink_to(tmp_path / "input" / "shared")

    with pytest.raises(InvalidRequest) as refused:
        start_points.read(storage, "input")

    told = [problem.split(" is a symbolic link")[0].removeprefix(f"{tmp_path}/input/") for problem in refused.value.problems]
    assert sorted(told) == ["one/b_template", "one/values", "two", "values"]


def test_swept_values_are_held_to_the_inputs_they_replace(tmp_path: Path) -> None:
    sample = plan(tmp_path, {"form": [1, 2, "many"], "free": ["anything"] * 2000})

    assert sample.problems() == ["sweep: form: must be a whole number (got 'many')"]


def test_an_input_without_a_default_may_be_left_to_the_sweep(tmp_path: Path) -> None:
    class Needed(Inputs):
        radius: float

    sample = connector(tmp_path, "true", Inputs=Needed)

    assert checked(sample, {}, SweepMap({"radius": [2, 3]})).radius == 2
    with pytest.raises(InvalidRequest, match="'radius' has no default"):
        checked(sample, {}, SweepMap({"other": [2, 3]}))


def test_more_tasks_than_a_run_may_have_are_refused_at_once(tmp_path: Path) -> None:
    sample = plan(tmp_path, {"a": {"stop": 100_000}, "b": {"stop": 100_000}})

    assert sample.problems() == ["there would be 10,000,000,000 tasks, and one run may have 1,000,000; make several runs of it"]
