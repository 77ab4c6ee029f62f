"""What is typed on the command line."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from blocks.errors import InvalidRequest
from cli import values
from flows import Inputs
from flows.inputs import texts
from flows.presets import Preset
from flows.request import Location, ResourceReference, RunRequest
from tests.payloads import connector


def test_a_value_that_is_json_is_taken_as_such_and_all_else_is_text() -> None:
    assert values.assignments(["a=1", "b=x y", "c=[1, 2]", "d=a=b", "e="], {}) == {
        "a": 1,
        "b": "x y",
        "c": [1, 2],
        "d": "a=b",
        "e": "",
    }


def test_all_pairs_that_are_none_are_named() -> None:
    with pytest.raises(InvalidRequest, match="'a' must be written as key=value\n'=b' must be"):
        values.assignments(["a", "=b", "c=d"], {})


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("0", 0), ("1.5m", 90)])
def test_durations(text: str, seconds: float) -> None:
    assert values.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10 minutes", "-1"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is no duration"):
        values.seconds(text)


def job(*pairs: str, below: Mapping[str, Any] | None = None) -> dict[str, Any]:
    storage = Location(storage=ResourceReference(slug="chiminey-local-storage"))
    asked = {"connector": "area", "inputs": {}, "compute": ResourceReference(slug="slurm-compute"), "output": storage}
    preset = Preset("small", RunRequest.model_validate({**asked, "job": below})) if below is not None else None
    return values.job(pairs, preset).model_dump(exclude_defaults=True)


def test_what_a_cluster_is_asked_for_is_text_a_list_or_json_as_the_setting_needs_it() -> None:
    assert job("memory=2000", "account=007", "cpus=4", "exclusive=true") == {
        "memory": "2000",
        "account": "007",
        "cpus": 4,
        "exclusive": True,
    }
    assert job('modules=["a", "b/1.2"]') == job("modules=a,b/1.2") == {"modules": ["a", "b/1.2"]}
    assert job("directives=--licenses=a:1,b:2") == {"directives": ["--licenses=a:1,b:2"]}
    assert job('environment={"THREADS": 4}', "queue=short") == {"environment": {"THREADS": "4"}, "partition": "short"}


def test_what_a_cluster_is_asked_for_wins_over_the_preset_one_by_one() -> None:
    assert job("cpus=4", "partition=", below={"partition": "short", "cpus": 2, "memory": "2G"}) == {"cpus": 4, "memory": "2G"}


def test_all_that_is_wrong_with_what_a_cluster_is_asked_for_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        job("partitoin=short", "wall_time=long", "nodes=two", "modules=a b", "environment=x", "mail_on=start", "cpus", "tasks=-1")
    assert sorted(caught.value.problems) == [
        "'cpus' must be written as key=value",
        """job.environment: must hold names and values, such as {"NAME": "value"} (got 'x')""",
        "job.mail_on.0: must be 'begin', 'end' or 'fail' (got 'start')",
        "job.modules.0: 'a b' can't be written into a job script; it may hold no space, quote, or sign of the shell's",
        "job.nodes: must be a whole number (got 'two')",
        "job.tasks: must be greater than or equal to 0 (got -1)",
        "job.wall_time: 'long' is no wall time; write for instance 90m, 1h30m or 1:30:00",
        "there is no job setting 'partitoin'; did you mean 'partition'?",
    ]


def points(text: str) -> list[dict[str, Any]]:
    return list(values.sweep(text).points())


def test_a_sweep_map_is_json_and_its_files_are_found_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_text("x\n7\n")

    assert points('{"a": {"stop": 2}}') == [{"a": 0}, {"a": 1}]
    assert points('{"csv": "points.csv"}') == [{"x": 7}]


def test_a_sweep_map_from_a_file_with_other_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x\n7\n")
    (tmp_path / "map.json").write_text('{"csv": "points.csv", "a": [1]}')

    assert points(f"@{tmp_path}/map.json") == [{"x": 7, "a": 1}]


def test_a_sweep_map_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": [1]}'))

    assert points("-") == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "the sweep map must be a JSON object"),
        ("{", "the sweep map is not JSON"),
        ('{"a": [1], "a": [2]}', "'a' occurs more than once"),
        ('{"zip": {"a": [1], "a": [2]}}', "'a' occurs more than once"),
        ('{"a": 1}', "the values of 'a' must be a list"),
        ('{"csv": "nowhere.csv"}', "nowhere.csv can't be read: no such file"),
        ("@nowhere.json", "nowhere.json can't be read: no such file"),
    ],
)
def test_a_wrong_sweep_map(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        values.sweep(text)


def test_a_byte_order_mark_is_no_part_of_what_a_file_holds(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')

    assert values.inputs([], tmp_path / "inputs.json", connector(tmp_path, "true")) == {"a": 1}


class Words(Inputs):
    """Inputs that are text, or may be."""

    word: str = ""
    perhaps: str | None = ""
    choice: Literal["1", "2"] = "1"
    mixed: int | str = 0
    number: int = 0


def test_what_is_set_for_a_text_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    pairs = ["word=null", "perhaps=123", "choice=2", "mixed=3", "number=4", "other=5"]

    given = values.inputs(pairs, None, connector(tmp_path, "true", Inputs=Words))

    assert given == {"word": "null", "perhaps": "123", "choice": "2", "mixed": 3, "number": 4, "other": 5}
    assert values.inputs(["perhaps=null"], None, connector(tmp_path, "true", Inputs=Words)) == {"perhaps": None}


def test_a_column_for_a_text_keeps_its_text(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("word,number\n007,007\n1e3,8\n")
    (tmp_path / "map.json").write_text('{"csv": "points.csv"}')

    swept = values.sweep(f"@{tmp_path / 'map.json'}", texts(connector(tmp_path, "true", Inputs=Words)))

    assert list(swept.points()) == [{"word": "007", "number": 7}, {"word": "1e3", "number": 8}]
