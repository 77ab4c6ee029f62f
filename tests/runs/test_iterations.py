"""Computations that feed their results back into themselves, until they have converged or have had their turns."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.errors import RunFailed
from blocks.storage import LocalStorage
from flows import Convergence, Iteration, NextInput, SmartConnector
from tests.engine import Lab, left_on, unix
from tests.payloads import connector
from tests.servers.sshd import SSHD

MAIN = """
guess=$(cat "$1/guess"); target=$(cat "$1/target")
new=$(((guess + target) / 2))
echo "$new" >"$2/improved"
echo "{\\"error\\": $((new - target))}" >"$2/result.json"
"""


def halving(folder: Path, **declared: Any) -> SmartConnector:
    """Halves the distance of a guess to each of three targets, and keeps the best two."""

    def transform(_self: object, iteration: Iteration, next_input: NextInput) -> None:
        for task in iteration.best(2, "error"):
            next_input.keep(task, {"improved": "guess"})

    def converged(_self: object, iteration: Iteration) -> Convergence:
        return iteration.settled(iteration.best(1, "error")[0].number("error"), 1, falling=True)

    hooks = {"transform": transform, "converged": converged, "max_iterations": 20}
    return connector(folder / "halving", MAIN, sweep={"goal": [1, 2, 3]}, **{**hooks, **declared})


def start_point(folder: Path) -> LocalStorage:
    initial = folder / "input" / "initial"
    initial.mkdir(parents=True)
    (initial / "guess").write_text("100\n")
    (initial / "target_template").write_text("{{ goal }}\n")
    return LocalStorage(path=str(folder / "input"))


@pytest.mark.ssh
def test_it_iterates_on_the_same_hosts_until_the_criterion_settles(
    hosts: list[SSHD], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.transport.ssh_channels.PATIENCE", 120.0)  # also where the whole machine stands still
    lab = Lab(tmp_path)

    result = lab.go(halving(tmp_path), unix(*hosts[:2], slots=2), input=start_point(tmp_path))

    assert result.state == "completed"
    assert 3 < result.iterations < 20
    with (lab.folder(result) / "criterion.csv").open() as file:
        history = [float(row["criterion"]) for row in csv.DictReader(file)]
    assert history == sorted(history, reverse=True)
    assert len(history) == result.iterations
    assert history[-2] - history[-1] <= 1 < history[-3] - history[-2]
    assert result.criterion == history[-1]
    stages = Counter(stage.partition("-")[0] for stage in lab.view.stages)
    assert (stages["create"], stages["bootstrap"]) == (1, 1)
    assert {stages[name] for name in ("schedule", "execute", "wait", "transform", "converge")} == {result.iterations}
    assert all(host.most_connections_at_once() == 1 for host in hosts[:2])
    assert [left_on(host) for host in hosts[:2]] == [[], []]


def test_tasks_are_numbered_through_and_say_what_they_come_from(tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    result = lab.go(halving(tmp_path), LocalCompute(slots=2), input=start_point(tmp_path), max_iterations=2)

    folder = lab.folder(result)
    assert [task.id for task in lab.tasks(result)] == list(range(1, 10))  # 3, then 2 start points times 3
    kept = sorted(path.name for path in (folder / "input_1").iterdir())
    assert kept == ["1", "3"]  # the nearest to their targets
    assert (folder / "input_1" / "1" / "guess").read_text() == (folder / "output_0" / "1" / "improved").read_text()
    assert (folder / "input_1" / "1" / "target_template").exists()
    values = [json.loads((folder / "output_1" / str(task) / "values").read_text()) for task in range(4, 10)]
    assert [value["run_counter"] for value in values] == list(range(4, 10))
    assert [value["generator_counter"] for value in values] == [1, 1, 1, 3, 3, 3]
    assert sorted(path.name for path in (folder / "output").iterdir() if path.is_dir()) == ["4", "5", "6", "7", "8", "9"]


def test_the_run_may_ask_for_fewer_iterations_and_is_told_that_it_has_not_converged(tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    result = lab.go(halving(tmp_path), LocalCompute(slots=2), input=start_point(tmp_path), max_iterations=3)

    assert (result.state, result.iterations) == ("completed", 3)
    assert "not converged after 3 iterations, the most that the run may take" in lab.view.messages
    assert (lab.folder(result) / "criterion.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_next_input_the_same_input_is_used_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    stubborn = halving(tmp_path, transform=lambda _self, _iteration, _next: None, converged=lambda _s, _i: Convergence(False))

    result = lab.go(stubborn, LocalCompute(slots=2), input=start_point(tmp_path), max_iterations=2)

    assert (lab.folder(result) / "input_1" / "initial" / "guess").read_text() == "100\n"


def test_a_criterion_that_is_no_number_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    diverging = halving(tmp_path, converged=lambda _self, _iteration: Convergence(False, float("nan")))

    with pytest.raises(RunFailed, match="the criterion of iteration 1 is nan, which can't be compared"):
        lab.go(diverging, LocalCompute(slots=2), input=start_point(tmp_path))


def test_a_result_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    mistaken = halving(tmp_path, converged=lambda _self, iteration: iteration.settled(iteration.tasks[0].number("energy"), 1))

    with pytest.raises(RunFailed, match="task 1 has no number 'energy' among its results; they are: error"):
        lab.go(mistaken, LocalCompute(slots=2), input=start_point(tmp_path))


def test_results_are_a_table_and_a_plot_beside_the_output(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    squares = connector(
        tmp_path / "squares", 'echo "{\\"square\\": $(($3 * $3)), \\"odd\\": [1]}" >"$2/result.json"', arguments=("x",)
    )

    result = lab.go(squares, LocalCompute(slots=2), sweep={"x": [3, 1, 2]})

    with (lab.folder(result) / "results.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"task": "1", "x": "3", "square": "9"},
            {"task": "2", "x": "1", "square": "1"},
            {"task": "3", "x": "2", "square": "4"},
        ]
    assert (lab.folder(result) / "results.png").read_bytes().startswith(b"\x89PNG")
    assert result.results == {"square": pytest.approx(14 / 3)}
    assert [task["results"] for task in json.loads((lab.folder(result) / "tasks.json").read_text())] == [
        {"square": 9},
        {"square": 1},
        {"square": 4},
    ]


@pytest.mark.ssh
@pytest.mark.scale
def test_three_iterations_of_a_thousand_tasks_cost_as_many_stages_as_of_ten_and_a_small_state(
    hosts: list[SSHD], tmp_path: Path
) -> None:
    executed: dict[int, int] = {}
    for tasks in (10, 1000):
        lab = Lab(tmp_path / str(tasks))
        steady = connector(
            tmp_path / f"c{tasks}", 'echo 1 >"$2/x"', max_iterations=3, converged=lambda _s, _i: Convergence(False, 1.0)
        )
        result = lab.go(steady, unix(*hosts, slots=2), sweep={"n": list(range(tasks))})
        assert (result.iterations, result.tasks.completed) == (3, 3 * tasks)
        executed[tasks] = len(lab.view.stages)
        record = lab.ledger.run(result.run_id)
        assert record is not None
        assert len(record.state) < 10_000
    assert executed[10] == executed[1000]
