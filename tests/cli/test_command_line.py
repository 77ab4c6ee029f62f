"""Runs from the command line, as real processes against a real server."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


def begun(chiminey: CommandLine, *words: str) -> str:
    """The name of a detached run."""
    done = chiminey("run", *words, "--detach")
    assert done.code == 0, done.errors
    return done.output.strip()


def test_a_run_prints_one_object_and_tells_its_progress_elsewhere(chiminey: CommandLine) -> None:
    done = chiminey("run", "randnum", "--sweep", '{"k": [1, 2]}', "--json")
    assert done.code == 0, done.errors
    result = done.object
    assert result["state"] == "completed"
    assert result["tasks"] == {"total": 2, "completed": 2, "failed": 0}
    assert result["name"] == f"randnum-{result['run_id']}"
    assert result["output"] == str(chiminey.folder / "chiminey-output" / result["name"])
    assert len(list((Path(result["output"]) / "output").glob("*/*"))) >= 2
    assert "2 of 2 tasks completed" in done.errors

    assert chiminey.run(result["name"])["state"] == "completed"
    shown = chiminey("show", result["run_id"][:6])
    assert f"{result['name']}: completed" in shown.output
    assert result["output"] in shown.output
    for word in ("resume", "retry"):
        refused = chiminey(word, result["name"], "--json")
        assert (refused.code, refused.object["state"], refused.object["run_id"]) == (2, "failed", result["run_id"])
        assert refused.errors == f"error: {refused.object['messages'][0]}\n"


def swept(chiminey: CommandLine, text: str, input: str | None = None) -> list[dict[str, Any]]:
    """The points that the tasks of a run were, in their order."""
    done = chiminey("run", "randnum", "--sweep", text, "--json", input=input)
    assert done.code == 0, done.errors
    tasks = json.loads((Path(done.object["output"]) / "tasks.json").read_text())
    return [{name: task["values"][name] for name in ("x", "y") if name in task["values"]} for task in tasks]


def test_a_sweep_map_is_given_in_line_as_a_file_or_on_standard_input(chiminey: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x,y\n1,0.5\n2,b\n")
    (tmp_path / "map.json").write_text('{"csv": "points.csv", "repeat": [1]}')

    assert swept(chiminey, '{"x": {"stop": 0.3, "step": 0.1}}') == [{"x": 0.0}, {"x": 0.1}, {"x": 0.2}]
    assert swept(chiminey, f"@{tmp_path / 'map.json'}") == [{"x": 1, "y": 0.5}, {"x": 2, "y": "b"}]
    assert swept(chiminey, "-", '{"zip": {"x": [1, 2], "y": [3, 4]}}') == [{"x": 1, "y": 3}, {"x": 2, "y": 4}]


def test_a_seed_that_was_not_given_is_in_the_record_of_the_run(chiminey: CommandLine) -> None:
    done = chiminey("run", "randnum", "--sweep", '{"x": {"random": {"count": 2}}}', "--json")
    folder = Path(done.object["output"])
    kept = json.loads((folder / "run.json").read_text())["request"]["sweep"]
    tasks = json.loads((folder / "tasks.json").read_text())

    generator = random.Random(kept["x"]["random"]["seed"])
    assert [task["values"]["x"] for task in tasks] == [generator.random(), generator.random()]


def test_all_that_is_wrong_with_a_sweep_map_is_told_at_once(chiminey: CommandLine) -> None:
    wrong = '{"x": 5, "y": {"start": 1}, "csv": "nowhere.csv", "zip": {"a": [1], "b": [1, 2]}}'
    done = chiminey("run", "randnum", "--sweep", wrong, "--json")
    assert done.code == 2
    assert len(done.object["messages"]) == 4
    assert "'x' must be a list, such as [1, 2, 3]; write [5]" in done.errors
    assert "'y': stop is missing" in done.errors
    assert "nowhere.csv can't be read" in done.errors
    assert "'a' has 1, 'b' has 2" in done.errors


def test_prefect_is_not_heard_on_the_terminal(chiminey: CommandLine) -> None:
    done = chiminey("run", "randnum")
    assert done.code == 0
    assert not done.output
    assert "prefect" not in done.errors.lower().replace("starting your prefect server", "")


def test_some_failures_are_told_with_their_reasons_and_exit_code_3(chiminey: CommandLine) -> None:
    done = chiminey("run", "picky", "--sweep", '{"k": [1, 2]}', "--max-retry", "0", "--json")
    assert done.code == 3
    assert done.object["state"] == "completed-with-failures"
    assert done.object["tasks"] == {"total": 2, "completed": 1, "failed": 1}
    assert done.object["messages"] == ["task 2 failed with exit code 3: the disk is purple"]
    assert "the disk is purple" in done.errors

    logs = chiminey("logs", done.object["name"], "--task", "2")
    assert (logs.code, logs.errors) == (0, "the disk is purple\n")


def test_a_run_without_any_result_has_failed(chiminey: CommandLine) -> None:
    done = chiminey("run", "picky", "--max-retry", "0", "--json")
    assert done.code == 1
    assert done.object["state"] == "failed"
    assert "error: no task succeeded; task 1 failed with exit code 3: the disk is purple" in done.errors
    assert f"'chiminey show {done.object['name']}' tells more" in done.errors


def test_all_that_is_wrong_is_told_at_once(chiminey: CommandLine) -> None:
    wrong = ("--set", "secnods=1", "--set", "seconds=many", "--task-time-limit", "soon", "--sweep", "{")
    wrong += ("--job", "memroy=2G", "--job", "cpus=two", "--on-oom", "never")
    done = chiminey("run", "slow", *wrong, "--json")
    assert done.code == 2
    assert done.object["state"] == "failed"
    assert len(done.object["messages"]) == 7
    assert done.errors.count("error: ") == 7
    assert "did you mean 'seconds'?" in done.errors
    assert "did you mean 'memory'?" in done.errors
    assert "(got 'many')" in done.errors


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "randnun"], "did you mean"),
        (["run", "randnum", "--compute", "nowhere"], "there is no resource 'nowhere'"),
        (["run", "randnum", "--output", "results/today"], "for a folder of this machine write ./results/today"),
        (["run", "randnum", "--input", "/no/such/folder"], "the input folder /no/such/folder does not exist"),
        (["run", "slow", "--set", "seconds=-1", "--detach"], "seconds: must be greater than or equal to 0"),
        (["deactivate", "randnum"], "'randnum' is not active"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_code_2(chiminey: CommandLine, words: list[str], told: str) -> None:
    done = chiminey(*words)
    assert done.code == 2
    assert told in done.errors
    assert "Traceback" not in done.errors


def test_a_detached_run_is_followed_to_its_end(chiminey: CommandLine) -> None:
    name = begun(chiminey, "slow", "--set", "seconds=4")
    followed = chiminey("logs", name, "--task", "1", "--follow")
    assert followed.code == 0, followed.errors
    assert followed.output == "first line\nlast line\n"
    history = chiminey("logs", name, "--follow")
    assert "1 task" in history.output
    assert chiminey.run(name)["state"] == "completed"


def test_a_detached_run_does_not_touch_programs_of_the_folder_that_the_person_stands_in(
    chiminey: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "cli.py").write_text("open('touched', 'w').close()\n")

    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", "run", "slow", "--set", "seconds=0", "--detach"],  # as the installed command is
        cwd=tmp_path,
        env=chiminey.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert chiminey("logs", done.stdout.strip(), "--follow").code == 0
    assert not (tmp_path / "touched").exists()


def test_a_detached_run_is_cancelled(chiminey: CommandLine) -> None:
    name = begun(chiminey, "slow", "--set", "seconds=600")
    while not chiminey.run(name)["tasks"]["running"]:
        time.sleep(0.2)
    done = chiminey("cancel", name)
    assert done.code == 0
    assert f"{name} is cancelled" in done.output
    assert "nothing to cancel" in chiminey("cancel", name).output
    late = chiminey("logs", name, "--task", "1", "--follow")
    assert (late.code, late.output) == (2, "")
    assert "nothing is kept of what task 1 printed" in late.errors


def test_a_detached_run_that_can_not_begin_says_why(chiminey: CommandLine) -> None:
    done = chiminey("run", "slow", "--set", "seconds=many", "--detach", "--json")
    assert done.code == 2
    assert done.object["state"] == "failed"
    assert done.object["messages"] == ["seconds: must be a whole number (got 'many')"]


_LATE = """
import time

from flows import SmartConnector

try:
    print("loading", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    {then}


class Late(SmartConnector):
    name = "late"
"""


@pytest.fixture
def interrupted_early(chiminey: CommandLine) -> Iterator[Callable[[str], tuple[subprocess.Popen[str], str, str]]]:
    """Detaches a run, presses Ctrl-C before it has begun, and gives the command, what it printed, and the id of the run."""
    home = Path(chiminey.environment["CHIMINEY_HOME"])
    folder = Path(chiminey.environment["CHIMINEY_PATH"]) / "late"

    def interrupt(then: str) -> tuple[subprocess.Popen[str], str, str]:
        (folder / "payload" / "process_payload").mkdir(parents=True)
        (folder / "payload" / "process_payload" / "main.sh").write_text("sleep 60\n")
        (folder / "connector.py").write_text(_LATE.format(then=then))
        with chiminey.start("run", "late", "--detach") as process:
            while not any("loading" in log.read_text() for log in home.glob("logs/late-*.log")):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=250)
        (log,) = home.glob("logs/late-*.log")
        log.unlink()
        return process, output, log.stem.removeprefix("late-")

    yield interrupt
    shutil.rmtree(folder)


def test_an_interrupt_before_a_detached_run_has_begun_ends_it(
    chiminey: CommandLine, interrupted_early: Callable[[str], tuple[subprocess.Popen[str], str, str]]
) -> None:
    process, output, run = interrupted_early("raise")

    assert (process.returncode, output) == (130, "")
    assert at_work_on(run) == []
    assert not [row for row in chiminey("jobs", "--json").object if row["run_id"] == run]


def test_one_that_begins_all_the_same_is_told_of(
    chiminey: CommandLine, interrupted_early: Callable[[str], tuple[subprocess.Popen[str], str, str]]
) -> None:
    process, output, run = interrupted_early("pass")

    assert (process.returncode, output) == (130, f"late-{run}\n")
    assert at_work_on(run) == []
    assert chiminey.run(f"late-{run}")["state"] == "cancelled"


def at_work_on(run: str) -> list[str]:
    """The processes that were started to carry a run out."""
    found = subprocess.run(["pgrep", "-f", "--", f"--run-id {run}"], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_the_first_interrupt_cleans_up(chiminey: CommandLine) -> None:
    with chiminey.start("run", "slow", "--set", "seconds=600", "--json") as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "0 of 1" in line)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=250)
    assert process.returncode == 130
    assert '"state":"cancelled"' in output
    assert "Stopping and cleaning up" in errors
    assert chiminey("reap", "--dry-run").output == "Nothing was left behind.\n"


def test_an_interrupt_whose_exception_is_lost_in_a_library_ends_the_run_all_the_same(chiminey: CommandLine) -> None:
    with chiminey.start("run", "swallowing", "--json") as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "swallowing now" in line)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=250)
    assert process.returncode == 130
    assert '"state":"cancelled"' in output


def test_a_killed_run_is_seen_as_interrupted_and_resumed(chiminey: CommandLine) -> None:
    with chiminey.start("run", "slow", "--set", "seconds=20") as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "0 of 1" in line)
        process.kill()
        process.communicate(timeout=250)
    time.sleep(0.5)
    (name,) = [row["name"] for row in chiminey("jobs", "--json").object if row["state"] == "interrupted"]
    done = chiminey("resume", name, "--json")
    assert done.code == 0, done.errors
    assert done.object["tasks"] == {"total": 1, "completed": 1, "failed": 0}
    assert chiminey("logs", name, "--task", "1").output == "first line\nlast line\n"
