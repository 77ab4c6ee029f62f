"""The Slurm that other tests rely on is a real one, and its faults can be had when they are wanted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest

from tests.servers.slurm import Slurm

pytestmark = pytest.mark.ssh

EXCEED_MEMORY = "python3 -c \"import time; hold = b'x' * 200_000_000; time.sleep(60)\""


def sbatch(cluster: Slurm, *options: str) -> str:
    return cluster.run("sbatch", "--parsable", *options).strip()


def wait_until(happens: Callable[[], bool], seconds: float = 250) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for(cluster: Slurm, job: str, state: str) -> None:
    wait_until(lambda: cluster.jobs().get(job) == state)


def test_an_array_runs_as_the_user_on_a_node_that_shares_the_home(slurm: Slurm) -> None:
    job = sbatch(slurm, "--array=1-2", "--wrap", "echo $(id -un) $(hostname) $PWD")
    for element in (f"{job}_1", f"{job}_2"):
        wait_for(slurm, element, "COMPLETED")
    assert (slurm.host.home / f"slurm-{job}_2.out").read_text() == "lab c1 /home/lab\n"
    assert slurm.submissions() == 1
    assert slurm.requests()["REQUEST_SUBMIT_BATCH_JOB"] == 1


def test_a_reset_forgets_the_jobs_and_files_of_before(slurm: Slurm) -> None:
    wait_for(slurm, sbatch(slurm, "--wrap", "sleep 600"), "RUNNING")
    slurm.reset()
    assert (slurm.jobs(), slurm.submissions(), list(slurm.host.home.iterdir())) == ({}, 0, [])


def test_the_user_without_a_shell_of_their_own_comes_in_by_ssh_and_finds_sbatch(slurm: Slurm) -> None:
    host = slurm.host
    login = ["-i", str(host.private_key), f"-oUserKnownHostsFile={host.known_hosts}", "-p", str(host.port)]
    command = ["ssh", "-F", "none", *login, f"{host.user}@{host.address}", "sbatch --parsable --wrap true"]
    job = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()
    wait_for(slurm, job, "COMPLETED")


@pytest.mark.slow
def test_the_job_of_a_node_that_lost_its_power_fails_and_the_node_comes_back(slurm: Slurm) -> None:
    job = sbatch(slurm, "--no-requeue", "--nodelist=c2", "--wrap", "sleep 600")
    wait_for(slurm, job, "RUNNING")
    slurm.kill_node("c2")
    wait_for(slurm, job, "NODE_FAIL")
    slurm.start_node("c2")
    wait_for(slurm, sbatch(slurm, "--nodelist=c2", "--wrap", "true"), "COMPLETED")


def test_a_controller_that_comes_back_knows_its_jobs(slurm: Slurm) -> None:
    job = sbatch(slurm, "--array=1-2%1", "--wrap", 'until [ -e "$HOME/go" ]; do sleep 0.1; done')
    wait_for(slurm, f"{job}_1", "RUNNING")
    slurm.stop_controller()
    slurm.start_controller()
    (slurm.host.home / "go").touch()
    for element in (f"{job}_1", f"{job}_2"):
        wait_for(slurm, element, "COMPLETED")
    assert slurm.submissions() == 1


def test_a_job_that_exceeds_its_memory_is_killed_and_said_to_be_out_of_memory(slurm: Slurm) -> None:
    said = "OUT_OF_MEMORY" if slurm.constrains_memory else "FAILED"  # without memory cgroups, only the output says why
    wait_for(slurm, sbatch(slurm, "--mem=50", "--wrap", EXCEED_MEMORY), said)


@pytest.mark.slow
def test_a_job_whose_time_is_over_is_said_to_have_timed_out(slurm: Slurm) -> None:
    job = sbatch(slurm, "--wrap", "sleep 600")
    wait_for(slurm, job, "RUNNING")
    slurm.expire(job)
    wait_for(slurm, job, "TIMEOUT")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("--time=2:00:00", "Requested time limit is invalid"),
        ("--nodes=5", "Node count specification invalid"),
        ("--mem=100G", "Memory specification can not be satisfied"),
        ("--array=1-2000", "Invalid job array specification"),
    ],
)
def test_what_the_partition_cannot_give_is_refused(slurm: Slurm, request_: str, reason: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        sbatch(slurm, request_, "--wrap", "true")
    assert reason in refusal.value.stderr
    assert slurm.submissions() == 0


def test_qsub_qstat_and_qdel_are_there(slurm: Slurm) -> None:
    (slurm.host.home / "job.sh").write_text("#!/bin/sh\nsleep 600\n")
    job = slurm.run("qsub", "job.sh").strip()
    wait_until(lambda: slurm.run("qstat", job).splitlines()[-1].split()[-2:] == ["R", "batch"])
    slurm.run("qdel", job)
    wait_for(slurm, job, "CANCELLED")


def test_the_accounting_tells_of_jobs_that_have_ended(slurm_with_accounting: Slurm) -> None:
    job = sbatch(slurm_with_accounting, "--wrap", "exit 3")
    columns = ("--allocations", "--noheader", "--parsable2", "--format=JobID,State,ExitCode,Account")
    wait_until(lambda: slurm_with_accounting.run("sacct", f"--jobs={job}", *columns) == f"{job}|FAILED|3:0|lab\n")


def test_a_limit_of_the_accounting_is_enforced(slurm_with_accounting: Slurm) -> None:
    slurm_with_accounting.limit_submissions(2)
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        sbatch(slurm_with_accounting, "--array=1-3", "--wrap", "true")
    assert "QOSMaxSubmitJobPerUserLimit" in refusal.value.stderr
