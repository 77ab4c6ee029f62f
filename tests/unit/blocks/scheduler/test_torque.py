"""Torque's words, and those of the commands in its likeness that Slurm has; ``tests/clusters/test_torque.py`` runs the latter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.job import JobRequest
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import Element
from blocks.scheduler.torque import Torque
from blocks.work import Cause

TORQUE = Torque()


def test_torque_tells_the_index_of_an_element() -> None:
    printed = "9[1].server c0123456789abcd R\n9[2].server c0123456789abcd Q\n10.server c1123456789abcd R\n"
    assert TORQUE.parse(printed) == [
        Element("9[]", 1, "running"),
        Element("9[]", 2, "pending"),
        Element("c1123456789abcd", 0, "running"),
    ]


def test_elements_with_numbers_of_their_own_are_known_by_what_they_noted() -> None:
    printed = "4 c1 Q\n8 c1 R\n9 c1 R\n3 c2 R\nbegun c1 7.1\nbegun c1 8.2\n"
    assert TORQUE.parse(printed) == [
        Element("c1", 1, "over"),
        Element("c1", 2, "running"),
        Element("c1", 0, "pending"),
        Element("c2", 0, "running"),
    ]


def test_when_none_waits_the_element_that_has_not_noted_itself_yet_runs() -> None:
    assert TORQUE.parse("4 c1 R\n8 c1 R\nbegun c1 8.1\n") == [Element("c1", 1, "running"), Element("c1", 0, "running")]


def test_an_empty_queue_has_no_elements() -> None:
    assert TORQUE.parse("") == []


@pytest.mark.parametrize(
    ("code", "cause"), [(-12, Cause.TIME), (-11, Cause.TIME), (-10, Cause.MEMORY), (271, Cause.CANCELLED), (3, None), (0, None)]
)
def test_a_completed_job_tells_what_ended_it(code: int, cause: Cause | None) -> None:
    (element,) = TORQUE.parse(f"Job Id: 9[2].server\n    job_state = C\n    exec_host = n1/0+n1/1\n    exit_status = {code}\n")
    assert (element.job, element.index, element.state, element.node, element.cause) == ("9[]", 2, "over", "n1", cause)


def test_a_request_is_written_in_nodes() -> None:
    job = JobRequest(
        partition="batch",
        account="abc",
        wall_time="90s",
        nodes=2,
        tasks=8,
        cpus=2,
        gpus="2",
        constraint="ib",
        mail="lab@example.org",
        mail_on=["begin"],
        directives=["-l pmem=2gb"],
    )
    assert TORQUE.problems(job) == []
    assert TORQUE.header("c1", Array(1, 0, 10), job, 3) == [
        "#PBS -N c1",
        "#PBS -S /bin/sh",
        "#PBS -q batch",
        "#PBS -A abc",
        "#PBS -l walltime=0:01:30",
        "#PBS -M lab@example.org",
        "#PBS -m b",
        "#PBS -r n",
        "#PBS -t 1-10%3",
        "#PBS -l nodes=2:ppn=8:gpus=1:ib",
        "#PBS -l pmem=2gb",
    ]


@given(st.integers(1, 9000), st.integers(0, 50))
def test_more_than_one_element_are_an_array_from_one(size: int, at_once: int) -> None:
    arrays = [line for line in TORQUE.header("c1", Array(1, 0, size), JobRequest(), at_once) if line.startswith("#PBS -t")]
    assert arrays == ([f"#PBS -t 1-{size}{f'%{at_once}' if at_once else ''}"] if size > 1 else [])


def test_nothing_is_asked_for_where_nothing_was_said() -> None:
    assert not any("-l " in line for line in TORQUE.header("c1", Array(1, 0, 2), JobRequest(), 0))


@pytest.mark.parametrize(
    ("job", "advice"),
    [
        (JobRequest(qos="high"), "as a directive, as -l qos=high"),
        (JobRequest(constraint="ib&bigmem"), "with colons between them"),
        (JobRequest(reservation="maintenance"), "as a directive, such as -W x=FLAGS:ADVRES:name"),
        (JobRequest(exclusive=True), "ask for all cpus of a node"),
        (JobRequest(nodes=2, memory="2G"), "as a directive, such as -l pmem=2gb"),
        (JobRequest(nodes=2, tasks=3), "3 can't be divided by 2 nodes"),
        (JobRequest(gpus="a100:2"), "ask for the type with a directive"),
    ],
)
def test_what_it_has_no_word_for_is_told_with_what_to_do(job: JobRequest, advice: str) -> None:
    (problem,) = TORQUE.problems(job)
    assert advice in problem


def test_a_server_of_torque_tells_its_limits() -> None:
    facts = TORQUE.read_facts("Server: head\n    pbs_version = 6.1.2\n    keep_completed = 300\n    max_job_array_size = 500\n")
    assert (facts.version, facts.largest_array, facts.accounting) == ("Torque 6.1.2", 500, True)
    assert not TORQUE.read_facts("").accounting


def test_slurm_behind_the_commands_tells_its_limits_and_no_ends() -> None:
    facts = TORQUE.read_facts(
        "slurm-wlm 22.05.8\nMaxArraySize            = 1001\nAccountingStorageType   = accounting_storage/slurmdbd\n"
        "batch*|up|1:00:00|4|16|64000\n"
    )
    assert (facts.version, facts.largest_array, facts.accounting) == ("Slurm 22.05.8, by Torque's commands", 1000, False)


def test_refusals_that_pass_are_told_from_those_that_stay() -> None:
    assert TORQUE.is_full("qsub: submit error (Maximum number of jobs already in queue for user MSG=total number of current")
    assert TORQUE.is_full("'sbatch: error: AssocMaxSubmitJobLimit '")
    assert TORQUE.is_away("qstat: cannot connect to server head (errno=111) Connection refused")
    assert TORQUE.is_away("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    assert not TORQUE.is_full("qsub: submit error (Unknown queue MSG=cannot locate queue)")
