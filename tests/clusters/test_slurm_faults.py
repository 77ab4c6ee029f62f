"""What goes wrong on a cluster, and what its users are told: each fault is made in a real Slurm."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import RunFailed
from blocks.job import JobRequest
from flows.request import Reliability
from flows.result import RunResult
from tests.clusters.conftest import FIRST_HOST
from tests.clusters.engine import slurm_compute
from tests.clusters.test_slurm import ANSWER, Watcher, answers, nothing_is_left, until
from tests.engine import Lab
from tests.payloads import connector
from tests.runs.test_kill_controller import owned_by, start
from tests.servers.farm import Farm
from tests.servers.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.ssh]

WAIT = 'echo "$CHIMINEY_ATTEMPT" >>"$HOME/begun.$CHIMINEY_TASK_ID"\nuntil [ -e "$HOME/go" ]; do sleep 0.1; done\n' + ANSWER
ONCE = Reliability(maximum_retry=1)


class AtWork:
    """A run that goes on while a test does something to the cluster."""

    def __init__(self, lab: Lab, *arguments: Any, **asked: Any) -> None:
        self.lab = lab
        self.ended: list[RunResult | BaseException] = []
        self._thread = threading.Thread(target=self._run, args=arguments, kwargs=asked, daemon=True)
        self._thread.start()

    def _run(self, *arguments: Any, **asked: Any) -> None:
        try:
            self.ended.append(self.lab.go(*arguments, **asked))
        except BaseException as error:  # noqa: BLE001 -- for the test to look at
            self.ended.append(error)

    def result(self, seconds: float = 250.0) -> RunResult:
        """How it ended; raises what it raised."""
        self._thread.join(seconds)
        assert self.ended, "it took too long"
        if isinstance(self.ended[0], BaseException):
            raise self.ended[0]
        return self.ended[0]


def running(slurm: Slurm) -> list[str]:
    return [job for job, state in slurm.jobs().items() if state == "RUNNING"]


def is_gone(slurm: Slurm, job: str) -> bool:
    """Whether nothing of a job that was cancelled runs any more: while it is ended, its task could still do something."""
    return slurm.jobs().get(job, "CANCELLED") == "CANCELLED"


def begun(slurm: Slurm) -> int:
    """How many tasks of ``WAIT`` have begun."""
    return len(list(slurm.host.home.glob("begun.*")))


def test_a_task_that_exceeds_its_time_is_run_again_with_more(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    slow = (
        '[ "$CHIMINEY_ATTEMPT" -gt 1 ] || sleep 600\nscontrol show job "$SLURM_JOB_ID" | grep -o "TimeLimit=[^ ]*" >"$2/answer"\n'
    )
    run = AtWork(
        lab,
        connector(tmp_path / "c", slow),
        slurm_compute(slurm.host, wall_time="3m"),
        reliability=Reliability(on_timeout="more"),
    )
    (job,) = until(lambda: running(slurm))
    slurm.expire(job)
    result = run.result()
    assert answers(lab, result.name) == {"1": "TimeLimit=00:06:00"}
    assert any("task 1 failed" in line and "(time limit), attempt 2 follows" in line for line in lab.view.messages)
    assert any("Slurm says TIMEOUT" in line for line in lab.view.messages)


def test_a_task_that_exceeds_its_memory_is_run_again_with_more(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    greedy = "head -c 150M /dev/zero | tail >/dev/null || exit\n"
    tell = 'scontrol show job "$SLURM_JOB_ID" | grep -o "MinMemoryNode=[^ ]*" >"$2/answer"\n'
    result = lab.go(connector(tmp_path / "c", "set -o pipefail\n" + greedy + tell), slurm_compute(slurm.host, memory="100M"))
    assert answers(lab, result.name) == {"1": "MinMemoryNode=200M"}
    assert any("(out of memory), attempt 2 follows" in line for line in lab.view.messages), lab.view.messages


def test_tasks_behind_one_that_ends_their_job_are_run_without_losing_an_attempt(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    main = '[ "$CHIMINEY_TASK_ID" != 2 ] || sleep 600\n' + ANSWER
    wanted = JobRequest(tasks_per_job=4, wall_time="3m")
    run = AtWork(
        lab,
        connector(tmp_path / "c", main),
        slurm_compute(slurm.host),
        sweep={"n": [1, 2, 3, 4]},
        job=wanted,
        reliability=Reliability(on_timeout="fail"),
    )
    (job,) = until(lambda: running(slurm))
    until(lambda: list(slurm.host.home.glob(".chiminey/*/batches/*/claimed/2")))
    slurm.expire(job)
    result = run.result()
    assert set(answers(lab, result.name)) == {"1", "3", "4"}
    assert [task.attempt for task in lab.tasks(result)] == [1, 1, 1, 1]
    assert "Slurm says TIMEOUT" in result.messages[0]


def test_a_node_that_dies_costs_its_tasks_an_attempt_and_nothing_else(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), slurm_compute(slurm.host, exclusive=True), sweep={"n": list(range(4))})
    until(lambda: begun(slurm) == 4)
    slurm.kill_node("c2")
    until(lambda: "NODE_FAIL" in slurm.jobs().values())
    (slurm.host.home / "go").touch()
    result = run.result()
    assert len(answers(lab, result.name)) == 4
    assert sorted(task.attempt for task in lab.tasks(result)) == [1, 1, 1, 2]
    assert any("(node failure), attempt 2 follows: Slurm says NODE_FAIL" in line for line in lab.view.messages)


# The prologue fails on c2, where a site lets jobs be requeued.
PROLOGUE = """#!/bin/sh
[ "$SLURMD_NODENAME" = c2 ] || exit 0
scontrol update JobId="$SLURM_JOB_ID" Requeue=1
exit 1
"""


@pytest.fixture
def slurm_with_a_prologue_that_fails(slurm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A cluster of its own, for its configuration is read when it begins."""
    farm = Farm(tmp_path_factory.mktemp("slurm"), first=FIRST_HOST + 2)
    cluster = Slurm(farm(1)[0], config="Prolog=/var/spool/slurm/prologue\n")
    cluster.start()
    prologue = cluster.host.root / "var/spool/slurm/prologue"
    prologue.write_text(PROLOGUE)
    prologue.chmod(0o755)
    yield cluster
    cluster.stop()


def test_an_element_that_its_node_can_not_launch_is_run_elsewhere_and_the_others_go_on(
    slurm_with_a_prologue_that_fails: Slurm, tmp_path: Path
) -> None:
    slurm = slurm_with_a_prologue_that_fails
    lab = Lab(tmp_path)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), slurm_compute(slurm.host, exclusive=True), sweep={"n": list(range(4))})
    until(lambda: begun(slurm) == 3 and slurm.submissions() == 2)
    assert len(running(slurm)) == 3
    (slurm.host.home / "go").touch()
    result = run.result()
    assert len(answers(lab, result.name)) == 4
    assert sorted(task.attempt for task in lab.tasks(result)) == [1, 1, 1, 2]
    assert any("(node failure), attempt 2 follows: it did not begin; Slurm says launch" in line for line in lab.view.messages)
    assert nothing_is_left(slurm)


@pytest.fixture
def partition(slurm: Slurm) -> Iterator[Callable[..., None]]:
    """Sets what the partition allows, which afterwards is as before."""

    def update(*settings: str) -> None:
        slurm.as_root("scontrol", "update", "PartitionName=batch", *settings)

    yield update
    update("State=UP", "MaxNodes=UNLIMITED")


def that_waits(slurm: Slurm, lab: Lab, partition: Callable[..., None], folder: Path) -> AtWork:
    """A run whose jobs are taken, and then are larger than the partition allows."""
    partition("State=DOWN")
    run = AtWork(lab, connector(folder / "c", ANSWER), slurm_compute(slurm.host, nodes=2), sweep={"n": [1, 2]})
    until(lambda: "PENDING" in slurm.jobs().values())
    partition("State=UP", "MaxNodes=1")
    return run


def test_a_reason_that_may_pass_is_waited_for(slurm: Slurm, partition: Callable[..., None], tmp_path: Path) -> None:
    lab = Watcher(tmp_path)
    run = that_waits(slurm, lab, partition, tmp_path)
    until(lambda: lab.seen and "PartitionNodeLimit" in lab.seen[-1].note)
    partition("MaxNodes=UNLIMITED")
    assert run.result().tasks.completed == 2
    assert slurm.submissions() == 1


def test_one_that_does_not_pass_ends_the_jobs(
    slurm: Slurm, partition: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = that_waits(slurm, Lab(tmp_path), partition, tmp_path)
    monkeypatch.setattr("blocks.scheduler.session.HOPELESS_AFTER", 2.0)
    with pytest.raises(RunFailed, match="Slurm would never begin its job: PartitionNodeLimit"):
        run.result()
    assert nothing_is_left(slurm)


def test_what_is_cancelled_by_hand_stays_cancelled(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), slurm_compute(slurm.host), sweep={"n": list(range(3))})
    until(lambda: begun(slurm) == 3)
    cancelled = sorted(running(slurm))[1]
    slurm.run("scancel", cancelled)
    until(lambda: is_gone(slurm, cancelled))
    (slurm.host.home / "go").touch()
    result = run.result()
    assert set(answers(lab, result.name)) == {"1", "3"}
    assert result.state == "completed-with-failures"
    assert "task 2 failed: Slurm says CANCELLED" in result.messages[0]
    assert lab.tasks(result)[1].attempt == 1


def test_a_controller_of_the_cluster_that_restarts_delays_and_doubles_nothing(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), slurm_compute(slurm.host, at_once=3), sweep={"n": list(range(6))})
    until(lambda: len(running(slurm)) == 3)
    slurm.stop_controller()
    (slurm.host.home / "go").touch()
    time.sleep(3)
    slurm.start_controller()
    result = run.result()
    assert len(answers(lab, result.name)) == 6
    assert [task.attempt for task in lab.tasks(result)] == [1] * 6
    assert slurm.submissions() == 1


def test_a_scheduler_that_is_away_at_submission_is_waited_for(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", ANSWER, bootstrap="until [ -e $HOME/away ]; do sleep 0.1; done\n")
    run = AtWork(lab, sample, slurm_compute(slurm.host), sweep={"n": [1, 2]})
    until(lambda: list(slurm.host.home.glob(".chiminey/payloads/*/batches/bootstrap/claimed/0")))
    slurm.stop_controller()
    (slurm.host.home / "away").touch()
    until(lambda: any("does not answer" in line for line in lab.view.messages))
    slurm.start_controller()
    assert run.result().tasks.completed == 2
    assert slurm.submissions() == 1


def test_a_queue_that_is_full_is_filled_again_as_it_empties(slurm_with_accounting: Slurm, tmp_path: Path) -> None:
    slurm = slurm_with_accounting
    slurm.limit_submissions(10)
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", ANSWER), slurm_compute(slurm.host), sweep={"n": list(range(25))})
    assert len(answers(lab, result.name)) == 25
    assert [task.attempt for task in lab.tasks(result)] == [1] * 25
    assert any("takes no more jobs for now" in line for line in lab.view.messages)


def test_a_policy_that_a_job_violates_is_no_full_queue(slurm_with_accounting: Slurm, tmp_path: Path) -> None:
    slurm = slurm_with_accounting
    slurm.limit_wall_time(10)
    sample = connector(tmp_path / "c", ANSWER)
    with pytest.raises(RunFailed, match=r"Slurm refuses the job: .*QOSMaxWallDurationPerJobLimit"):
        Lab(tmp_path).go(sample, slurm_compute(slurm.host, wall_time="20m"), sweep={"n": [1, 2]})


def test_a_bootstrap_that_finds_the_queue_full_waits_for_room(slurm_with_accounting: Slurm, tmp_path: Path) -> None:
    slurm = slurm_with_accounting
    slurm.limit_submissions(1)
    other = slurm.run("sbatch", "--parsable", "--wrap", "sleep 600").strip()
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", 'cat ready >"$2/answer"\n', bootstrap="echo yes >process_payload/ready\n")
    run = AtWork(lab, sample, slurm_compute(slurm.host, bootstrap_in_job=True))
    until(lambda: any("bootstrap.sh waits: Slurm takes no more jobs for now" in line for line in lab.view.messages))
    slurm.run("scancel", other)
    assert answers(lab, run.result().name) == {"1": "yes"}


def test_where_there_is_accounting_it_is_asked_about_what_the_queue_has_forgotten(
    slurm_with_accounting: Slurm, tmp_path: Path
) -> None:
    slurm = slurm_with_accounting
    lab = Lab(tmp_path)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), slurm_compute(slurm.host), sweep={"n": [1, 2]})
    until(lambda: begun(slurm) == 2)
    cancelled = sorted(running(slurm))[0]
    slurm.run("scancel", cancelled)
    until(lambda: is_gone(slurm, cancelled))
    (slurm.host.home / "go").touch()
    result = run.result()
    assert "task 1 failed: Slurm says CANCELLED" in result.messages[0]
    assert any("with accounting" in line for line in lab.view.messages)


def test_a_login_node_that_drops_every_connection_delays_and_doubles_nothing(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    main = "sleep 0.5\n" + ANSWER
    run = AtWork(lab, connector(tmp_path / "c", main), slurm_compute(slurm.host), sweep={"n": list(range(40))})
    until(lambda: "execute-0" in lab.view.stages)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and not run.ended:
        slurm.host.kill_sessions()
        time.sleep(0.7)
    result = run.result()
    assert len(answers(lab, result.name)) == 40
    assert [task.attempt for task in lab.tasks(result)] == [1] * 40
    assert slurm.submissions() == 1


def kill_and_resume(slurm: Slurm, folder: Path, tasks: int, kills: int, seed: int) -> None:
    """Kill controllers of one run at random moments, from before the submission to after the last end; then let one finish."""
    lab = Lab(folder)
    chance = random.Random(seed)
    main = 'echo "$CHIMINEY_TASK_ID" >>"$HOME/begun.$CHIMINEY_TASK_ID"\nsleep 1\n' + ANSWER
    sample = connector(folder / "connector", main)
    proposal = lab.request(
        sample, slurm_compute(slurm.host, at_once=max(2, tasks // (3 * kills))), sweep={"n": list(range(tasks))}
    )
    record = lab.add(proposal)
    for _ in range(kills):
        controller = start(folder, record)
        while not owned_by(lab, record, controller) and controller.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 2.0))
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
    assert start(folder, record).wait(timeout=300) == 0, (folder / "errors").read_text()[-2000:]
    ended = lab.ledger.run(record.id)
    assert ended is not None
    assert ended.status == "completed"
    assert answers(lab, record.name) == {str(number): str(number) for number in range(1, tasks + 1)}
    begun = [line for file in slurm.host.home.glob("begun.*") for line in file.read_text().split()]
    assert sorted(begun, key=int) == [str(number) for number in range(1, tasks + 1)], "a task was begun twice, or never"
    assert nothing_is_left(slurm)


def test_controllers_that_are_killed_at_random_moments_lose_nothing_and_repeat_nothing(slurm: Slurm, tmp_path: Path) -> None:
    kill_and_resume(slurm, tmp_path, tasks=30, kills=4, seed=3)


@pytest.mark.chaos
def test_twenty_kills_lose_nothing_and_repeat_nothing(slurm: Slurm, tmp_path: Path) -> None:
    kill_and_resume(slurm, tmp_path, tasks=150, kills=20, seed=int(os.environ.get("CHAOS_SEED", "7")))


def test_a_submission_that_ended_with_its_login_node_is_made_again_by_who_resumes(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "connector", ANSWER, bootstrap='until [ -e "$HOME/go" ]; do sleep 0.1; done\n')
    record = lab.add(lab.request(sample, slurm_compute(slurm.host), sweep={"n": [1, 2]}))
    controller = start(tmp_path, record)
    until(lambda: list(slurm.host.home.glob(".chiminey/payloads/*/batches/bootstrap/claimed/0")))
    slurm.as_root("scontrol", "update", "PartitionName=batch", "State=DOWN")  # jobs are taken, and begin later
    (slurm.host.home / "go").touch()
    (job,) = until(lambda: list(slurm.host.home.glob(".chiminey/*/batches/0-*/job.1")))
    until(lambda: not (job.parent / "submitting").exists())
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()
    slurm.run("scancel", job.read_text().strip())
    until(lambda: not slurm.run("squeue", "--noheader"))
    slurm.as_root("scontrol", "update", "PartitionName=batch", "State=UP")
    job.unlink()
    broken_off = job.parent / "submitting"
    broken_off.mkdir()
    os.utime(broken_off, (time.time() - 600,) * 2)
    assert start(tmp_path, record).wait(timeout=250) == 0, (tmp_path / "errors").read_text()[-2000:]
    assert answers(lab, record.name) == {"1": "1", "2": "2"}


def test_jobs_of_a_run_whose_folder_was_purged_are_ended(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), slurm_compute(slurm.host, at_once=1), sweep={"n": [1, 2, 3]})
    until(lambda: begun(slurm) == 1)
    for folder in (slurm.host.home / ".chiminey").iterdir():
        if folder.name != "payloads":
            shutil.rmtree(folder)
    with pytest.raises(RunFailed, match="can't cd to"):
        run.result()
    assert nothing_is_left(slurm)
