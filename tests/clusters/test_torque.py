"""Connectors through Torque's commands: those that Slurm has in their likeness, before a real Slurm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import PBSCompute
from blocks.errors import ChimineyError, RunCancelled
from blocks.storage import LocalStorage
from connectors.hrmc import hrmc
from connectors.spice import spice
from flows.request import Reliability
from tests.clusters.engine import access
from tests.clusters.test_slurm import until
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers.slurm import Slurm

pytestmark = pytest.mark.cluster

MAIN = 'echo "$CHIMINEY_TASK_ID $(hostname)" >"$2/answer"\n'
COUNT = 'echo "$CHIMINEY_TASK_ID" >>"$HOME/begun"\n'


def torque(cluster: Slurm, **settings: Any) -> PBSCompute:
    """The cluster, asked in Torque's words."""
    return PBSCompute(**{**access(cluster.host), "flavour": "torque", **settings})


def begun(cluster: Slurm) -> list[str]:
    """Which tasks have begun, as often as they have."""
    log = cluster.host.home / "begun"
    return log.read_text().split() if log.exists() else []


def test_a_sweep_is_one_array(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", MAIN), torque(slurm), sweep={"n": list(range(10))})

    assert result.tasks.completed == 10, result.messages
    assert slurm.submissions() == 1
    assert len(slurm.jobs()) == 10
    answers = {int(path.parent.name): path.read_text().split() for path in lab.folder(result).glob("output/*/answer")}
    assert all(node in slurm.nodes and int(task) == number for number, (task, node) in answers.items())
    assert sorted(answers) == list(range(1, 11))


def test_one_task_is_a_job_that_is_no_array(slurm: Slurm, tmp_path: Path) -> None:
    result = Lab(tmp_path).go(connector(tmp_path / "c", COUNT + MAIN), torque(slurm))

    assert result.tasks.completed == 1, result.messages
    assert ["_" in job for job in slurm.jobs()] == [False]
    assert begun(slurm) == ["1"]


def test_elements_wait_for_their_turn_and_none_is_taken_for_lost(slurm: Slurm, tmp_path: Path) -> None:
    compute = torque(slurm, at_once=1, latency=0.2, slowest_poll=1)
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", COUNT + "sleep 1\n" + MAIN), compute, sweep={"n": [1, 2, 3, 4]})

    assert result.tasks.completed == 4, result.messages
    assert begun(slurm) == ["1", "2", "3", "4"]
    assert {task.attempt for task in lab.tasks(result)} == {1}


def test_what_a_job_asks_for_reaches_the_scheduler(slurm: Slurm, tmp_path: Path) -> None:
    asked = {"partition": "short", "wall_time": "1m", "nodes": 1, "tasks": 2, "cpus": 2, "memory": "300M"}
    result = Lab(tmp_path).go(connector(tmp_path / "c", MAIN), torque(slurm, **asked), sweep={"n": [1, 2]})

    assert result.tasks.completed == 2, result.messages
    jobs = slurm.run("squeue", "--array", "--states=all", "--noheader", "--format=%i|%P|%D|%C|%m|%l").splitlines()
    ours = [job.split("|")[1:] for job in jobs if job.split("|")[0] in slurm.jobs()]
    assert ours == [["short", "1", "4", "300M", "1:00"]] * 2


def test_a_failed_task_is_told_with_its_exit_code(slurm: Slurm, tmp_path: Path) -> None:
    main = '[ "$CHIMINEY_TASK_ID" != 2 ] || { echo broken >&2; exit 3; }\n' + MAIN
    lab = Lab(tmp_path)
    reliability = Reliability(maximum_retry=1)
    result = lab.go(connector(tmp_path / "c", main), torque(slurm), sweep={"n": [1, 2, 3]}, reliability=reliability)

    assert (result.state, result.tasks.completed, result.tasks.failed) == ("completed-with-failures", 2, 1)
    failed = next(task for task in lab.tasks(result) if task.id == 2)
    assert (failed.exit_code, failed.attempt) == (3, 2)
    assert any("broken" in message for message in lab.view.messages)


def test_a_task_whose_job_was_ended_by_hand_is_run_again(slurm: Slurm, tmp_path: Path) -> None:
    main = COUNT + '[ "$CHIMINEY_TASK_ID$CHIMINEY_ATTEMPT" != 21 ] || sleep 600\n' + MAIN
    lab = Lab(tmp_path)

    def cancel_the_second() -> None:
        running = slurm.run("squeue", "--noheader", "--states=running", "--format=%i %K").splitlines()
        slurm.run("scancel", next(line.split()[0] for line in running if line.split()[1] == "2"))

    when(lambda: len(begun(slurm)) >= 3, cancel_the_second)
    result = lab.go(connector(tmp_path / "c", main), torque(slurm), sweep={"n": [1, 2, 3]})

    assert result.tasks.completed == 3, result.messages
    assert sorted(begun(slurm)) == ["1", "2", "2", "3"]
    assert any("Torque does not say how it ended" in message for message in lab.view.messages)


def test_a_cancelled_run_leaves_no_job_and_no_folder(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", COUNT + "sleep 600\n")
    proposal = lab.request(sample, torque(slurm, at_once=2), sweep={"n": [1, 2, 3, 4]})
    record = lab.add(proposal)
    when(lambda: len(begun(slurm)) == 2, lambda: lab.ledger.request_cancel(record.id))

    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)

    assert set(slurm.jobs().values()) <= {"CANCELLED", "COMPLETING"}  # which are the same to qstat
    assert sorted(begun(slurm)) == ["1", "2"]
    until(lambda: not any("sleep 600" in process for process in slurm.host.processes()))
    assert [path.name for path in (slurm.host.home / ".chiminey").iterdir() if path.name != "payloads"] == []


def test_a_job_that_can_not_be_is_refused_in_the_words_of_the_scheduler(slurm: Slurm, tmp_path: Path) -> None:
    with pytest.raises(ChimineyError, match=r"Torque refuses the job: .*invalid partition"):
        Lab(tmp_path).go(connector(tmp_path / "c", MAIN), torque(slurm, partition="nowhere"))


def test_a_check_says_what_is_behind_the_commands(slurm: Slurm) -> None:
    first, *notes = torque(slurm).check()

    assert "by Torque's commands, without accounting" in first
    assert any(note.startswith("partition batch*") for note in notes)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler: apt-get install gcc libc6-dev")
def test_hrmc_iterates_with_an_array_for_each_iteration(slurm: Slurm, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(hrmc.folder / "example_input", folder)
    values = json.loads((folder / "values").read_text())
    (folder / "values").write_text(json.dumps({**values, "natoms": 360, "box": 25.9, "irun": 8000}))
    asked = {"inputs": {"fanout_per_kept_result": 3, "threshold": 2, "error_threshold": 0}, "max_iterations": 2}
    lab = Lab(tmp_path)
    result = lab.go(hrmc, torque(slurm), input=LocalStorage(path=str(folder)), **asked)

    assert result.state == "completed", result.messages
    assert (result.iterations, result.tasks.completed) == (2, 3 + 6)
    assert slurm.submissions() == 2


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="needs ngspice: apt-get install ngspice")
def test_spice_runs_with_its_folder_as_it_is(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    example = LocalStorage(path=str(spice.folder / "example_input"))
    result = lab.go(spice, torque(slurm), input=example, sweep={"resistance": [470, 2200], "capacitance": [1e-7, 1e-6]})

    assert (result.state, result.tasks.completed) == ("completed", 8), result.messages
    assert slurm.submissions() == 1
    assert len(list(lab.folder(result).glob("output/*/result.json"))) == 8
