"""Grid Engine on a host of ours: what a user sees who comes in by SSH."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.servers.farm import Farm
from tests.servers.gridengine import GridEngine
from tests.servers.test_sshd import output, run

pytestmark = pytest.mark.ssh


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 250
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def submit(cluster: GridEngine, *words: str) -> str:
    """The number of a job that runs a line of shell, or an array of them."""
    return cluster.run("qsub", "-terse", "-cwd", "-j", "y", "-b", "y", "-N", "job", *words).strip().partition(".")[0]


def accounts(cluster: GridEngine, job: str) -> list[tuple[str, str, str]]:
    """The task, the reason of failure and the exit status of all that the job has done: ``[("1", "0", "3")]``."""
    if run(cluster.host, f"qacct -j {job}").returncode != 0:
        return []
    rows = [line.split() for line in output(cluster.host, f"qacct -j {job}").splitlines()]
    columns = ([row[1] for row in rows if row[0] == name] for name in ("taskid", "failed", "exit_status"))
    return sorted(zip(*columns, strict=True))


def queued(cluster: GridEngine) -> str:
    return cluster.run("qstat", "-u", cluster.host.user)


def test_an_array_runs_as_the_user_who_submitted_it_over_ssh(grid_engine: GridEngine) -> None:
    host = grid_engine.host
    (host.home / "job.sh").write_text("id -un; hostname; pwd; exit $((SGE_TASK_ID - 1))\n")
    answer = output(host, "qsub -terse -cwd -j y -N job -t 1-3 job.sh")
    job = answer.partition(".")[0]
    assert answer == f"{job}.1-3:1"
    wait_until(lambda: len(accounts(grid_engine, job)) == 3)
    assert accounts(grid_engine, job) == [("1", "0", "0"), ("2", "0", "1"), ("3", "0", "2")]
    assert (host.home / f"job.o{job}.2").read_text().split() == [host.user, host.name, "/home/lab"]
    assert grid_engine.submissions() == 1


def test_a_job_that_exceeds_its_time_is_killed_and_the_accounts_say_so(grid_engine: GridEngine) -> None:
    job = submit(grid_engine, "-l", "h_rt=1", "sleep 1000")
    wait_until(lambda: accounts(grid_engine, job) != [])
    assert accounts(grid_engine, job) == [("undefined", "37", "137")]


def test_a_job_that_exceeds_its_memory_can_have_no_more(grid_engine: GridEngine) -> None:
    job = submit(grid_engine, "-l", "h_vmem=200M", "head -c 400000000 /dev/zero | tail")
    wait_until(lambda: accounts(grid_engine, job) != [])
    assert accounts(grid_engine, job)[0] in {("undefined", "0", "1"), ("undefined", "37", "137")}


def test_a_deleted_array_is_gone_from_the_queue_and_its_running_tasks_are_in_the_accounts(grid_engine: GridEngine) -> None:
    job = submit(grid_engine, "-t", "1-3", "-tc", "2", "sleep 1000")
    wait_until(lambda: queued(grid_engine).count(" r ") == 2)
    output(grid_engine.host, f"qdel {job}")
    wait_until(lambda: len(accounts(grid_engine, job)) == 2)
    assert accounts(grid_engine, job) == [("1", "100", "137"), ("2", "100", "137")]
    assert queued(grid_engine) == ""


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("-w e -l h_vmem=1000G", "Unable to run job: error: no suitable queues"),
        ("-w e -q short.q -l h_rt=100", "Unable to run job: error: no suitable queues"),
        ("-q nope.q", 'Unable to run job: Job was rejected because job requests unknown queue "nope.q"'),
        ("-pe nope 2", 'Unable to run job: job rejected: the requested parallel environment "nope" does not exist'),
        ("-l nope=1", 'Unable to run job: unknown resource "nope"'),
    ],
)
def test_a_request_that_nothing_can_satisfy_is_refused(grid_engine: GridEngine, request_: str, reason: str) -> None:
    result = run(grid_engine.host, f"qsub {request_} -b y true")
    assert (result.returncode, result.stderr.splitlines()) == (1, [reason, "Exiting."])


def test_two_clusters_know_nothing_of_each_other_and_each_has_its_limits(grid_engine: GridEngine, farm: Farm) -> None:
    small = GridEngine(farm.slow(0.0), slots=2, settings={"max_aj_tasks": "10"})
    small.start()
    submit(small, "-t", "1-10", "sleep 1000")
    wait_until(lambda: queued(small).count(" r ") == 2)
    refusal = run(small.host, "qsub -b y -t 1-11 true").stderr.splitlines()[0]
    assert refusal == "Unable to run job: job rejected: you tried to submit a job with more than 10 tasks"
    assert (small.submissions(), grid_engine.submissions()) == (1, 0)
    assert queued(grid_engine) == ""


def test_a_new_test_finds_no_job_and_an_empty_home(grid_engine: GridEngine) -> None:
    submit(grid_engine, "-t", "1-100", "sleep 1000")
    wait_until(lambda: queued(grid_engine).count(" r ") == 8)
    assert grid_engine.submissions() == 1
    grid_engine.reset()
    assert queued(grid_engine) == ""
    assert list(grid_engine.host.home.iterdir()) == []
    assert grid_engine.submissions() == 0
    assert not any("sleep" in line for line in grid_engine.host.processes())


def test_running_jobs_outlive_the_queue_master(grid_engine: GridEngine) -> None:
    job = submit(grid_engine, "sleep 1000")
    wait_until(lambda: " r " in queued(grid_engine))
    grid_engine.stop_qmaster()
    refusal = run(grid_engine.host, "qstat")
    assert refusal.returncode == 1
    assert "unable to send message to qmaster" in refusal.stderr
    grid_engine.start_qmaster()
    (row,) = re.findall(r"^ *(\d+) .* (r) ", queued(grid_engine), re.MULTILINE)
    assert row == (job, "r")
    assert any("sleep 1000" in line for line in grid_engine.host.processes())
