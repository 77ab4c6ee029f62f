"""The tasks of an iteration: points times start points, and whose values win."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, create_model, field_validator

from blocks.errors import InvalidRequest
from blocks.storage import LocalStorage
from flows import Inputs, SmartConnector, start_points
from flows.inputs import checked
from flows.plan import Plan
from flows.request import Location, ResourceReference, RunRequest, SweepRequest, plain
from flows.sweep.points import run_request
from flows.sweep_map import SweepMap
from tests.payloads import connector

HERE = ResourceReference(slug="local-storage")


class Values(Inputs):
    """Sample inputs."""

    form: int = Field(default=3)
    shared: str = Field(default="form")


def planned(folder: Path, sweep: dict[str, Any], storage: LocalStorage | None = None) -> Plan:
    sample = connector(folder, "true", Inputs=Values, arguments=("form", "shared"))
    request = RunRequest(
        connector="sample",
        inputs={"form": 3, "shared": "form"},
        compute=HERE,
        output=Location(storage=HERE),
        sweep=SweepMap(sweep),
    )
    return Plan(sample, request, 0, start_points.read(storage, "input") if storage else [])


def test_inputs_that_the_connector_takes_no_longer_are_told_in_words_of_the_inputs(tmp_path: Path) -> None:
    changed = connector(tmp_path, "true", Inputs=create_model("Inputs", __base__=Inputs, form=(int, Field(le=2))))
    request = RunRequest(connector="sample", inputs={"form": 3, "shared": "form"}, compute=HERE, output=Location(storage=HERE))
    with pytest.raises(InvalidRequest) as refused:
        Plan(changed, request, 0, [])
    assert refused.value.problems == (
        "form: must be less than or equal to 2 (got 3)",
        "there is no input 'shared'; the inputs are: form",
    )


def lay_out(root: Path, files: dict[str, str]) -> LocalStorage:
    for name, text in files.items():
        path = root / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalStorage(path=str(root))


def test_every_start_point_meets_every_point_and_ids_go_on(tmp_path: Path) -> None:
    storage = lay_out(tmp_path, {"one/a": "", "two/a": ""})
    tasks = list(planned(tmp_path / "c", {"x": [1, 2]}, storage).tasks(5))

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
    sample = planned(tmp_path / "c", {"swept": ["sweep"]}, storage)

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


def test_what_looks_like_a_number_stays_text_where_the_input_is_text(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("shared,form\n007,008\n")
    own = {"name": "sample", "folder": tmp_path, "Inputs": Values, "internal_sweep": lambda *_: {"csv": "points.csv"}}
    sample = type("Sample", (SmartConnector,), own)()
    request = RunRequest(connector="sample", inputs={}, compute=HERE, output=Location(storage=HERE))

    (task,) = Plan(sample, request, 0, []).tasks(1)

    assert (task.point["shared"], task.point["form"]) == ("007", 8)


def test_a_connectors_own_draws_need_a_seed_because_a_resumed_run_asks_again(tmp_path: Path) -> None:
    sample = connector(tmp_path, "true", {"x": {"random": {"count": 2}}})
    request = RunRequest(connector="sample", inputs={}, compute=HERE, output=Location(storage=HERE))

    with pytest.raises(InvalidRequest, match="'x': seed is missing"):
        Plan(sample, request, 0, [])


def test_arguments_follow_in_the_order_declared(tmp_path: Path) -> None:
    sample = planned(tmp_path, {"shared": ["it's $x"]})

    assert sample.order(next(iter(sample.tasks(1)))).arguments == ("3", "it's $x")


def test_an_undefined_name_in_the_second_start_point_is_found(tmp_path: Path) -> None:
    storage = lay_out(tmp_path, {"one/in_template": "{{ form }}", "two/in_template": "{{ missing }}"})

    (problem,) = planned(tmp_path / "c", {}, storage).problems()

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
    sample = planned(tmp_path, {"form": [1, 2, "many"], "free": ["anything"] * 2000})

    assert sample.problems() == ["sweep: form: must be a whole number (got 'many')"]


def test_an_input_without_a_default_may_be_left_to_the_sweep(tmp_path: Path) -> None:
    class Needed(Inputs):
        radius: float

    sample = connector(tmp_path, "true", Inputs=Needed)

    assert checked(sample, {}, SweepMap({"radius": [2, 3]})).radius == 2
    with pytest.raises(InvalidRequest, match="'radius' has no default"):
        checked(sample, {}, SweepMap({"other": [2, 3]}))


def test_more_tasks_than_a_run_may_have_are_refused_at_once(tmp_path: Path) -> None:
    sample = planned(tmp_path, {"a": {"stop": 100_000}, "b": {"stop": 100_000}})

    assert sample.problems() == ["there would be 10,000,000,000 tasks, and one run may have 1,000,000; make several runs of it"]


class Typed(Inputs):
    """Inputs whose types say how a value is written."""

    count: int = 1
    wanted: bool = False
    length: float = 1.0


def test_what_a_user_sweeps_over_has_the_types_of_the_inputs(tmp_path: Path) -> None:
    sample = connector(tmp_path, "true", Inputs=Typed, arguments=("count", "wanted", "length", "other"))
    sweep = {"count": {"linspace": [1, 3, 3]}, "wanted": ["no"], "length": ["2.5"], "other": [1.0]}
    given = plain(Typed().model_dump())
    request = RunRequest(connector="sample", inputs=given, compute=HERE, output=Location(storage=HERE), sweep=SweepMap(sweep))
    made = Plan(sample, request, 0, [])

    assert made.problems() == []
    assert [made.order(task).arguments for task in made.tasks(1)] == [(n, "false", "2.5", "1.0") for n in ("1", "2", "3")]

    each = SweepRequest(run=request.model_copy(update={"sweep": None}), sweep=SweepMap(sweep), points=3, at_once=1)
    asked = run_request(sample, each, "s", next(each.sweep.points()))
    assert asked.point == {"count": 1, "wanted": False, "length": 2.5, "other": 1.0}
    assert isinstance(asked.point["count"], int)


def test_a_validator_that_makes_something_else_of_what_it_has_made_is_refused(tmp_path: Path) -> None:
    class InMetres(Inputs):
        length: float = 1.0

        @field_validator("length")
        @classmethod
        def from_feet(cls, value: float) -> float:
            return value * 10

    sample = connector(tmp_path, "true", Inputs=InMetres)
    given = plain(checked(sample, {"length": 2.0}).model_dump())
    request = RunRequest(connector="sample", inputs=given, compute=HERE, output=Location(storage=HERE))
    (problem,) = Plan(sample, request, 0, []).problems()
    assert problem.startswith("length: a validator of sample makes 200.0 of 20.0, which it has made itself")


@pytest.mark.parametrize("value", ["nan", "inf", float("-inf")])
def test_a_number_that_json_does_not_have_is_no_input(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InvalidRequest, match="length: must be a finite number"):
        checked(connector(tmp_path, "true", Inputs=Typed), {"length": value})


def test_a_users_sweep_that_leaves_an_argument_without_a_value_is_told_what_to_add(tmp_path: Path) -> None:
    own = connector(tmp_path, "true", sweep={"n": [1, 2]}, arguments=("n",))

    def problems(sweep: dict[str, Any] | None) -> list[str]:
        asked = SweepMap(sweep) if sweep is not None else None
        request = RunRequest(connector="sample", inputs={}, compute=HERE, output=Location(storage=HERE), sweep=asked)
        return Plan(own, request, 0, []).problems()

    assert problems({"m": [1]}) == ["the argument 'n' has no value: your sweep replaces the connector's own; add n to it"]
    assert problems({"m": [1], "n": [3]}) == problems(None) == []


def test_an_argument_may_be_a_value_of_the_start_points_where_all_have_it(tmp_path: Path) -> None:
    own = connector(tmp_path / "c", "true", arguments=("n",))
    request = RunRequest(connector="sample", inputs={}, compute=HERE, output=Location(storage=HERE))
    both = lay_out(tmp_path / "both", {"one/values": '{"n": 1}', "two/values": '{"n": 2}'})
    one = lay_out(tmp_path / "one", {"one/values": '{"n": 1}', "two/a": ""})

    assert Plan(own, request, 0, start_points.read(both, "input")).problems() == []
    assert Plan(own, request, 0, start_points.read(one, "input")).problems() == ["the argument 'n' has no value"]
