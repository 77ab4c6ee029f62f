"""Sweep maps: the points, in the order written, counted without being made; and what is said about mistakes.

Each form with its points stands in docs/sweeps.md, which is a test too.
"""

from __future__ import annotations

import itertools
import json
import random
import statistics
import subprocess
import sys
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from blocks.errors import InvalidRequest
from flows.sweep_map import SweepMap, given, read

NAMES = st.from_regex(r"[a-z]{1,3}", fullmatch=True).filter(lambda name: name not in {"zip", "csv"})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
LISTS = st.lists(SCALARS, min_size=1, max_size=4)
ENDS = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
COUNTS = st.integers(1, 4)
RANGES = st.builds(
    lambda start, step, steps: {"start": start, "stop": start + step * steps, "step": step},
    st.integers(-100, 100),
    st.integers(-9, 9).filter(bool),
    COUNTS,
)
DRAWN = st.builds(lambda count, seed: {"random": {"count": count, "seed": seed}}, COUNTS, st.integers(0, 2**40))
FORMS = st.one_of(
    LISTS,
    RANGES,
    st.builds(lambda first, last, count: {"linspace": [first, last, count]}, ENDS, ENDS, COUNTS),
    st.builds(lambda first, last, count: {"logspace": [first, last, count]}, st.floats(-9, 9), st.floats(-9, 9), COUNTS),
    DRAWN,
)
LIST_MAPS = st.dictionaries(NAMES, LISTS, max_size=4)


@st.composite
def maps(draw: st.DrawFn) -> dict[str, Any]:
    """A map of any forms, with a group in it or not."""
    written: dict[str, Any] = draw(st.dictionaries(NAMES, FORMS, max_size=3))
    names = draw(st.lists(NAMES.filter(lambda name: name not in written), unique=True, max_size=3))
    if names:
        count = draw(COUNTS)
        written["zip"] = {name: draw(st.lists(SCALARS, min_size=count, max_size=count)) for name in names}
    return written


def values(written: Any) -> list[Any]:
    return [point["x"] for point in SweepMap({"x": written}).points()]


def problems(written: Any, folder: Path = Path()) -> list[str]:
    with pytest.raises(InvalidRequest) as raised:
        given(written, folder)
    return list(raised.value.problems)


# Laws


@forall(maps())
def test_the_count_is_the_number_of_points(written: dict[str, Any]) -> None:
    sweep = SweepMap(written)

    assert sweep.count() == len(list(sweep.points()))


@forall(LIST_MAPS)
def test_the_count_is_the_product_of_the_lengths(written: dict[str, list[Any]]) -> None:
    assert SweepMap(written).count() == prod(len(values) for values in written.values())


@forall(LIST_MAPS)
def test_the_order_is_that_of_nested_loops_the_last_key_innermost(written: dict[str, list[Any]]) -> None:
    expected = [dict(zip(written, row, strict=True)) for row in itertools.product(*written.values())]

    assert list(SweepMap(written).points()) == expected


@forall(maps())
def test_every_point_has_a_value_for_every_name_in_the_order_written(written: dict[str, Any]) -> None:
    sweep = SweepMap(written)

    assert all(list(point) == sweep.names() for point in sweep.points())


@forall(maps())
def test_a_map_comes_back_from_the_json_that_it_is_kept_as(written: dict[str, Any]) -> None:
    sweep = SweepMap(written)
    again = SweepMap.model_validate_json(sweep.model_dump_json())

    assert again == sweep == SweepMap(sweep.model_dump())
    assert list(again.points()) == list(sweep.points())


@forall(maps())
def test_the_points_are_the_same_each_time(written: dict[str, Any]) -> None:
    sweep = SweepMap(written)

    assert list(sweep.points()) == list(sweep.points())


@forall(st.integers(1, 5), st.integers(1, 5))
def test_a_group_takes_lists_of_one_length_only(first: int, second: int) -> None:
    written = {"zip": {"x": list(range(first)), "y": list(range(second))}}

    if first == second:
        assert list(SweepMap(written).points()) == [{"x": number, "y": number} for number in range(first)]
    else:
        (problem,) = problems(written)
        assert problem.endswith(f"must have equally many values, but 'x' has {first}, 'y' has {second}")


@forall(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_a_range_of_whole_numbers_is_that_of_python(start: int, stop: int, step: int) -> None:
    written = {"start": start, "stop": stop, "step": step}

    if expected := list(range(start, stop, step)):
        assert values(written) == expected
    else:
        assert problems({"x": written}) == [f"sweep: 'x': it has no values: from {start} to {stop} in steps of {step}"]


@forall(st.decimals(-100, 100, places=3), st.decimals("0.001", 10, places=3), st.integers(1, 50))
def test_a_range_is_computed_in_decimal(start: Decimal, step: Decimal, count: int) -> None:
    written = {"start": float(start), "stop": float(start + step * count), "step": float(step)}

    assert values(written) == [float(start + step * number) for number in range(count)]


@forall(ENDS, ENDS, st.integers(2, 50))
def test_both_ends_of_a_linspace_are_exact(first: float, last: float, count: int) -> None:
    found = values({"linspace": [first, last, count]})

    assert (found[0], found[-1], len(found)) == (first, last, count)
    assert found == sorted(found, reverse=first > last)


@forall(st.integers(0, 2**64), st.integers(-1000, 1000), st.integers(1, 1000))
def test_whole_numbers_are_drawn_from_the_low_one_on_and_below_the_high_one(seed: int, low: int, width: int) -> None:
    found = values({"random": {"count": 20, "low": low, "high": low + width, "integers": True, "seed": seed}})

    assert all(isinstance(number, int) and low <= number < low + width for number in found)


# Size


def test_the_first_point_of_a_trillion_is_there_at_once() -> None:
    sweep = SweepMap({name: {"stop": 1000} for name in "abcd"})

    assert sweep.count() == 10**12
    assert next(sweep.points()) == {"a": 0, "b": 0, "c": 0, "d": 0}


def test_a_count_may_be_larger_than_any_length() -> None:
    assert SweepMap({name: {"stop": 10**9} for name in "abc"}).count() == 10**27


# In a process of its own: what is traced is all that a process takes, that of threads left behind by other tests too.
MEMORY = """
import itertools, json, sys, tracemalloc
from flows.sweep_map import SweepMap

sweep = SweepMap(json.loads(sys.argv[1]))
points = sweep.points()
next(points)
tracemalloc.start()
for _ in itertools.islice(points, 100_000):  # tracing is slow; what it takes shows after the first ones
    pass
print(sweep.count(), tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.parametrize(
    "written",
    [
        {"x": {"stop": 10**6}},
        {"x": {"linspace": [0, 1, 1000]}, "y": {"stop": 100, "step": 0.1}},
        {"zip": {"x": {"random": {"count": 10**6, "seed": 1}}, "y": {"stop": 10**6}}},
        {"x": list(range(100)), "y": list(range(100)), "z": list(range(100))},
    ],
)
def test_a_million_points_take_no_more_memory_than_ten(written: dict[str, Any]) -> None:
    answer = subprocess.run([sys.executable, "-c", MEMORY, json.dumps(written)], capture_output=True, text=True, check=True)
    count, most = map(int, answer.stdout.split())

    assert count == 10**6
    assert most < 100_000  # bytes; a list of as many whole numbers is eight times that


# Values


def test_numbers_come_out_as_they_are_written() -> None:
    assert values({"stop": 0.4, "step": 0.1}) == [0, 0.1, 0.2, 0.3]
    assert values({"start": 1, "stop": 0.5, "step": -0.1}) == [1, 0.9, 0.8, 0.7, 0.6]
    assert [type(value) for value in values({"stop": 2.5})] == [int, int, int]


def test_whole_powers_of_ten_are_exact() -> None:
    assert values({"logspace": [-307, 308, 616]}) == [float(f"1e{exponent}") for exponent in range(-307, 309)]


def test_a_single_value_between_two_ends_is_the_first() -> None:
    assert values({"linspace": [3, 9, 1]}) == [3]


def test_a_seed_stands_for_the_numbers_that_python_documents() -> None:
    generator = random.Random(42)

    assert values({"random": {"count": 5, "seed": 42}}) == [generator.random() for _ in range(5)]


def test_a_seed_stands_for_the_same_numbers_for_ever() -> None:
    normal = {"count": 2, "seed": 42, "distribution": "normal"}

    assert values({"random": {"count": 5, "low": 0, "high": 100, "integers": True, "seed": 42}}) == [63, 2, 27, 22, 73]
    assert values({"random": normal}) == [0.2453263417078634, -0.49684447341120286]


def test_the_seed_decides_and_not_the_name() -> None:
    drawn = {"random": {"count": 1, "seed": 5}}
    (point,) = SweepMap({"x": drawn, "y": drawn}).points()

    assert point["x"] == point["y"]


def test_normal_draws_have_the_mean_and_deviation_asked_for() -> None:
    found = values({"random": {"count": 20_000, "distribution": "normal", "mean": 5, "deviation": 2, "seed": 1}})

    assert statistics.mean(found) == pytest.approx(5, abs=0.05)
    assert statistics.stdev(found) == pytest.approx(2, abs=0.05)
    assert sum(abs(value - 5) < 2 for value in found) / 20_000 == pytest.approx(0.6827, abs=0.01)


# What is given at one time and place


def test_a_missing_seed_is_drawn_when_the_map_is_given_and_kept() -> None:
    sweep = given({"x": {"random": {"count": 3}}, "zip": [{"y": {"random": {"count": 1}}}]}, Path())
    kept = sweep.model_dump()

    assert {type(kept["x"]["random"]["seed"]), type(kept["zip"][0]["y"]["random"]["seed"])} == {int}
    assert list(SweepMap(kept).points()) == list(sweep.points()) == list(given(kept, Path()).points())


def test_the_map_of_a_connector_needs_its_seeds() -> None:
    with pytest.raises(InvalidRequest, match="'x': seed is missing"):
        read({"x": {"random": {"count": 3}}}, Path())


def test_a_table_is_kept_as_it_was_when_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text('\ufeffx,name\n\n1, a b \n2.5e3,"c,d"\n')
    sweep = given({"csv": "points.csv"}, tmp_path)
    (tmp_path / "points.csv").unlink()

    assert sweep.model_dump() == {"table": {"columns": ["x", "name"], "rows": [[1, "a b"], [2500.0, "c,d"]]}}
    assert list(sweep.points()) == [{"x": 1, "name": "a b"}, {"x": 2500.0, "name": "c,d"}]


def test_draws_from_a_file_go_round_and_pass_over_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_text("0.1\n\n0.5\n0.9999\n\n")
    drawn = {"random_file": {"file": "numbers", "first": 1, "count": 4, "low": 10, "high": 20}}

    assert given({"x": drawn, "zip": {"y": drawn}}, tmp_path).model_dump() == {
        "x": [15, 19, 11, 15],
        "zip": {"y": [15, 19, 11, 15]},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x;y\n1;2\n", ["sweep: 'x;y' can't be the name of a value; use letters, digits and _"]),
        ("x,y\n1\n2,3\n4,5,6\n", ["line 2: 1 values for 2 columns", "line 4: 3 values for 2 columns"]),
        ("x,y\n", ["needs a line with the names of its columns and a line for each point"]),
        ("x,x\n1,2\n", ["it has the column 'x' more than once"]),
        ('x\n"1\n', ["is not CSV: unexpected end of data"]),
    ],
)
def test_a_wrong_table_is_told_with_its_lines(tmp_path: Path, text: str, told: list[str]) -> None:
    (tmp_path / "points.csv").write_text(text)
    found = problems({"csv": "points.csv"}, tmp_path)

    assert len(found) == len(told)
    assert all(problem.endswith(end) for problem, end in zip(found, told, strict=True))


def test_files_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    (tmp_path / "words").write_text("0.5\nhalf\n")
    drawn = {"count": 1, "high": 9}

    assert problems(
        {
            "csv": "latin",
            "x": {"random_file": {"file": "nowhere", **drawn}},
            "y": {"random_file": {"file": "words", **drawn}},
            "z": 1,
        },
        tmp_path,
    ) == [
        f"sweep: {tmp_path}/latin is no text in UTF-8",
        f"sweep: {tmp_path}/nowhere can't be read: no such file or directory",
        f"sweep: {tmp_path}/words, line 2: 'half' is no number of at least 0 and less than 1",
        "sweep: the values of 'z' must be a list, such as [1, 2, 3]; write [1]",
    ]


# Mistakes


def test_all_mistakes_are_told_at_once_each_by_its_key() -> None:
    assert problems({"a": "text", "b": [], "c d": [1], "e": 3, "f": {"stop": 1, "stepp": 1}}) == [
        "sweep: the values of 'a' must be a list, such as [1, 2, 3]; write [\"text\"]",
        "sweep: 'b': it has no values",
        "sweep: 'c d' can't be the name of a value; use letters, digits and _",
        "sweep: the values of 'e' must be a list, such as [1, 2, 3]; write [3]",
        "sweep: 'f': there is no stepp; did you mean 'step'?",
    ]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"start": 1}, "stop is missing"),
        ({"stop": "9"}, "stop must be a number"),
        ({"stop": True}, "stop must be a number"),
        ({"stop": 10**400}, "stop must be a number that is no larger than a float can be"),
        ({"stop": 1, "step": 0}, "it must have a step other than 0"),
        ({"linspace": [0, 1]}, "linspace takes [first, last, count], both ends included, such as [0, 1, 11]"),
        ({"linspace": [0, 1, 2.5]}, "linspace takes [first, last, count], both ends included, such as [0, 1, 11]"),
        ({"logspace": 3}, "logspace takes [first exponent, last exponent, count] of powers of ten, such as [-3, 2, 6]"),
        ({"logspace": [0, 309, 2]}, "logspace can't have an exponent greater than 308"),
        ({"random": 3}, 'random must be an object, such as {"count": 10, "seed": 42}'),
        ({"random": {"seed": 1}}, "count is missing"),
        ({"random": {"count": 2.5, "seed": 1}}, "count must be a whole number"),
        ({"random": {"count": 1, "seed": -1}}, "seed must be greater than or equal to 0"),
        ({"random": {"count": 1, "seed": 1, "low": 2}}, "it must have a low that is less than high"),
        (
            {"random": {"count": 1, "seed": 1, "distribution": "beta"}},
            "distribution must be 'uniform' or 'normal', not 'beta'",
        ),
        ({"random": {"count": 1, "seed": 1, "distribution": "normal", "low": 0}}, "there is no low; it has"),
        ({"random": {"count": 1, "seed": 1, "high": 0.5, "integers": True}}, "it must have whole numbers as low and high"),
        ([float("nan")], "it must hold what JSON can hold, which has neither NaN nor infinity"),
        ([[1, float("inf")]], "it must hold what JSON can hold, which has neither NaN nor infinity"),
    ],
)
def test_a_wrong_form_is_told_with_its_reason(written: Any, told: str) -> None:
    (problem,) = problems({"x": written})

    assert problem.startswith(f"sweep: 'x': {told}")


@pytest.mark.parametrize("written", [{}, {"values": [1]}, {"linspce": [0, 1, 2]}])
def test_what_is_no_form_is_told_which_there_are(written: dict[str, Any]) -> None:
    (problem,) = problems({"x": written})

    assert problem.startswith("sweep: the values of 'x' must be a list, such as [1, 2, 3], or one of")


@pytest.mark.parametrize(
    "written", [{"zip": [1, 2]}, {"table": [1, 2]}, {"csv": [1, 2]}, {"zip": {"csv": [1]}}, {"zip": {}}, {"zip": []}]
)
def test_a_value_that_is_called_like_a_form_needs_another_name(written: dict[str, Any]) -> None:
    (problem,) = problems(written)

    assert problem.endswith("a value of that name needs another one")


@pytest.mark.parametrize(
    "written",
    [
        {"x": [1], "zip": {"x": [1]}},
        {"zip": [{"x": [1]}, {"x": [1]}]},
        {"table": {"columns": ["x"], "rows": [[1]]}, "x": [1]},
    ],
)
def test_a_name_occurs_once(written: dict[str, Any]) -> None:
    assert problems({**written, "y": 1}) == [
        "sweep: the values of 'y' must be a list, such as [1, 2, 3]; write [1]",
        "sweep: 'x' occurs more than once",
    ]


def test_a_map_has_one_table() -> None:
    table = {"columns": ["x"], "rows": [[1]]}

    assert "give it as csv or as table, not both" in problems({"csv": __file__, "table": table})[0]


@pytest.mark.parametrize("written", [[1], "x", None, 3])
def test_what_is_no_object_is_no_map(written: object) -> None:
    assert problems(written) == ['the sweep map must be a JSON object, such as {"name": [1, 2, 3]}']


@forall(
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(max_size=5)
                | st.sampled_from(
                    [
                        "zip",
                        "table",
                        "csv",
                        "columns",
                        "rows",
                        "linspace",
                        "logspace",
                        "random",
                        "start",
                        "stop",
                        "step",
                        "count",
                        "seed",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_any_json_is_a_map_or_told_why_not(written: Any) -> None:
    try:
        sweep = read(written, Path("/nowhere"))
    except InvalidRequest as error:
        told = error.problems
    else:
        told = tuple(next(sweep.points()))
        assert json.loads(sweep.model_dump_json()) == sweep.model_dump()
    assert told or not written
