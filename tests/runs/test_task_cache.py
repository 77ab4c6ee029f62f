"""The task cache: what was computed before, from the same, is not computed again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.storage import LocalStorage
from flows import SmartConnector
from flows.ledger import Ledger
from flows.result import RunResult
from tests.engine import Lab
from tests.payloads import connector
from tests.runs.test_iterations import halving, start_point
from tests.runs.test_kill_controller import owned_by, start

LOCAL = LocalCompute(slots=2)


def counting(folder: Path, work: str = "", **declared: Any) -> SmartConnector:
    """Leaves a line for each task that really runs."""
    main = f"""echo "$CHIMINEY_TASK_ID" >>"{folder}/begun"
{work}
mkdir "$2/deep"
echo "answer $CHIMINEY_TASK_ID" >"$2/deep/answer"
echo "printed"
echo "{{\\"square\\": $(($CHIMINEY_TASK_ID * $CHIMINEY_TASK_ID))}}" >"$2/result.json"
"""
    return connector(folder / "connector", main, **declared)


def begun(folder: Path) -> list[int]:
    """The tasks that really ran, sorted."""
    log = folder / "begun"
    return sorted(map(int, log.read_text().split())) if log.exists() else []


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def said(lab: Lab) -> list[str]:
    return [message for message in lab.view.messages if "taken" in message]


def test_what_is_there_is_taken_and_only_the_rest_runs(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    first = lab.go(counting(tmp_path), LOCAL, sweep={"n": [1, 2, 3]}, cache=True)
    second = lab.go(counting(tmp_path), LOCAL, sweep={"n": [1, 2, 3, 4]}, cache=True)

    assert begun(tmp_path) == [1, 2, 3, 4]
    assert said(lab) == ["3 of 4 tasks are taken from earlier runs"]
    assert second.tasks.completed == 4
    for task in (1, 2, 3):
        assert files(lab.folder(second) / "output_0" / str(task)) == files(lab.folder(first) / "output_0" / str(task))
        assert (lab.folder(second) / "output_0" / f"{task}.stdout").read_text() == "printed\n"
    assert files(lab.folder(second) / "output") == files(lab.folder(second) / "output_0")
    told = {task["id"]: task for task in json.loads((lab.folder(second) / "tasks.json").read_text())}
    assert told[2]["reason"] == f"taken from task 2 of {first.name}"
    assert (told[2]["status"], told[2]["attempts"], told[2]["results"]) == ("completed", 0, {"square": 4})
    assert (told[4]["reason"], told[4]["attempts"]) == ("", 1)
    assert second.results == {"square": 7.5}


def test_without_being_asked_nothing_is_taken_and_nothing_kept(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    for cache in (False, True, False):
        lab.go(counting(tmp_path), LOCAL, sweep={"n": [1, 2]}, cache=cache)

    assert begun(tmp_path) == [1, 1, 1, 2, 2, 2]
    assert said(lab) == []


def other_payload(folder: Path) -> dict[str, Any]:
    (folder / "connector" / "payload" / "process_payload" / "data").write_bytes(b"x")
    return {}


def other_values(folder: Path) -> dict[str, Any]:
    return {"sweep": {"n": [1, 5]}}


def other_input(folder: Path) -> dict[str, Any]:
    (folder / "input" / "initial" / "guess").write_text("101\n")
    return {}


def other_mode(folder: Path) -> dict[str, Any]:
    (folder / "input" / "initial" / "guess").chmod(0o755)
    return {}


@pytest.mark.parametrize(
    ("change", "again"), [(other_payload, [1, 2]), (other_values, [2]), (other_input, [1, 2]), (other_mode, [1, 2])]
)
def test_what_is_computed_from_something_else_runs(
    change: Callable[[Path], dict[str, Any]], again: list[int], tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    asked: dict[str, Any] = {"input": start_point(tmp_path), "sweep": {"n": [1, 2]}, "cache": True}
    goal = {"sweep": {"goal": [1], "n": [1, 2]}}
    lab.go(counting(tmp_path), LOCAL, **{**asked, **goal})
    (tmp_path / "begun").unlink()
    changed = change(tmp_path)
    sweep = {"goal": [1], **changed["sweep"]} if changed else goal["sweep"]

    lab.go(counting(tmp_path), LOCAL, **{**asked, "sweep": sweep})

    assert begun(tmp_path) == again


def lose_the_folder(first: Path) -> None:
    shutil.rmtree(first)


def lose_an_output(first: Path) -> None:
    shutil.rmtree(first / "output_0" / "2")


def lose_a_file(first: Path) -> None:
    (first / "output_0" / "2" / "deep" / "answer").unlink()


def change_a_byte(first: Path) -> None:
    (first / "output_0" / "2" / "deep" / "answer").write_text("answer 3\n")


def add_a_file(first: Path) -> None:
    (first / "output_0" / "2" / "more").touch()


@pytest.mark.parametrize(
    ("harm", "again"),
    [(lose_the_folder, [1, 2]), (lose_an_output, [2]), (lose_a_file, [2]), (change_a_byte, [2]), (add_a_file, [2])],
)
def test_an_output_that_is_not_what_it_was_is_computed_again(
    harm: Callable[[Path], None], again: list[int], tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    first = lab.go(counting(tmp_path), LOCAL, sweep={"n": [1, 2]}, cache=True)
    (tmp_path / "begun").unlink()
    harm(lab.folder(first))

    second = lab.go(counting(tmp_path), LOCAL, sweep={"n": [1, 2]}, cache=True)

    assert begun(tmp_path) == again
    assert (lab.folder(second) / "output" / "2" / "deep" / "answer").read_text() == "answer 2\n"
    assert not (lab.folder(second) / "output" / "2" / "more").exists()


def test_what_was_taken_is_taken_from_there_when_the_first_is_gone(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    runs: list[RunResult] = []
    for _ in range(3):
        runs.append(lab.go(counting(tmp_path), LOCAL, sweep={"n": [1, 2]}, cache=True))
        shutil.rmtree(lab.folder(runs[0]), ignore_errors=True) if len(runs) == 2 else None

    assert begun(tmp_path) == [1, 2]
    assert [task.reason for task in lab.tasks(runs[2])] == [f"taken from task {task} of {runs[1].name}" for task in (1, 2)]


def test_outputs_are_taken_from_another_storage_too(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.go(counting(tmp_path), LOCAL, output=LocalStorage(path=str(tmp_path / "elsewhere")), cache=True)
    second = lab.go(counting(tmp_path), LOCAL, cache=True)

    assert begun(tmp_path) == [1]
    assert (lab.folder(second) / "output" / "1" / "deep" / "answer").read_text() == "answer 1\n"


def test_failed_tasks_are_never_taken(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    broken = counting(tmp_path, work=f'[ "$CHIMINEY_TASK_ID" = 1 ] || [ -e "{tmp_path}/mended" ] || exit 7')
    lab.go(broken, LOCAL, sweep={"n": [1, 2]}, cache=True)
    (tmp_path / "begun").unlink()
    (tmp_path / "mended").touch()

    assert lab.go(broken, LOCAL, sweep={"n": [1, 2]}, cache=True).state == "completed"
    assert begun(tmp_path) == [2]


def test_a_computation_that_iterates_is_taken_iteration_by_iteration(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    given = start_point(tmp_path)
    first = lab.go(halving(tmp_path), LOCAL, input=given, cache=True)
    second = lab.go(halving(tmp_path), LOCAL, input=given, cache=True)

    assert (second.iterations, second.criterion, second.results) == (first.iterations, first.criterion, first.results)
    assert {task.attempt for task in lab.tasks(second)} == {0}
    assert files(lab.folder(second) / "output") == files(lab.folder(first) / "output")


def test_a_controller_that_is_killed_while_it_takes_repeats_nothing(tmp_path: Path) -> None:
    tasks = 400
    main = 'echo "$CHIMINEY_TASK_ID" >"$2/answer"\nhead -c 200000 /dev/zero >"$2/large"\n'
    ran = f'echo "$CHIMINEY_TASK_ID" >>"{tmp_path}/begun"\n'
    lab = Lab(tmp_path)
    program = connector(tmp_path / "connector", ran + main)
    lab.go(program, LOCAL, sweep={"n": list(range(tasks))}, cache=True)
    proposal = lab.request(program, LOCAL, sweep={"n": list(range(tasks + 2))}, cache=True)
    record = lab.add(proposal)
    for pause in (0.05, 0.3):
        controller = start(tmp_path, record)
        while not owned_by(lab, record, controller) and controller.poll() is None:
            time.sleep(0.01)
        time.sleep(pause)
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()

    assert start(tmp_path, record).wait(timeout=240) == 0, (tmp_path / "errors").read_text()[-2000:]

    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    assert ledger.task_counts(record.id) == {"completed": tasks + 2}
    assert begun(tmp_path) == list(range(1, tasks + 3))
    outputs = {path.parent.name: path.read_text().strip() for path in (lab.results / record.name / "output").glob("*/answer")}
    assert outputs == {str(number): str(number) for number in range(1, tasks + 3)}
    assert any("400 of 402 tasks are taken" in line["message"] for line in ledger.history(record.id))
    ledger.close()
