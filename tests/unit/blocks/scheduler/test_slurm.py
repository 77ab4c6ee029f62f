"""Slurm's words; ``tests/clusters/test_slurm.py`` says them to a real one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.job import JobRequest
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import Element
from blocks.scheduler.slurm import Slurm
from blocks.work import Cause

SLURM = Slurm()


def test_a_line_of_the_queue_may_stand_for_many_that_wait() -> None:
    waiting = SLURM.parse("12|1-3,7,10-20:5%4|PENDING|Resources|1764019800|\n")
    assert [element.index for element in waiting] == [1, 2, 3, 7, 10, 15, 20]
    assert {(each.job, each.state, each.reason, each.start) for each in waiting} == {("12", "pending", "Resources", 1764019800.0)}


def test_a_running_element_has_its_node_and_neither_reason_nor_start() -> None:
    assert SLURM.parse("12|4|RUNNING|None|1764019800|c3\n") == [Element("12", 4, "running", node="c3")]


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("TIMEOUT", Cause.TIME),
        ("DEADLINE", Cause.TIME),
        ("OUT_OF_MEMORY", Cause.MEMORY),
        ("NODE_FAIL", Cause.NODE),
        ("BOOT_FAIL", Cause.NODE),
        ("PREEMPTED", Cause.PREEMPTED),
        ("CANCELLED", Cause.CANCELLED),
        ("FAILED", None),
        ("COMPLETED", None),
    ],
)
def test_how_an_element_ended_is_the_same_from_the_queue_and_from_accounting(word: str, cause: Cause | None) -> None:
    ended = Element("12", 4, "over", word, node="c3", cause=cause)
    assert SLURM.parse(f"12|4|{word}|NonZeroExitCode|1764019800|c3\n12_4|{word}|c3\n") == [ended, ended]


def test_who_cancelled_is_left_out() -> None:
    (element,) = SLURM.parse("12_4|CANCELLED by 1000|c3\n")
    assert (element.reason, element.cause) == ("CANCELLED", Cause.CANCELLED)


def test_what_is_no_element_is_passed_over() -> None:
    assert SLURM.parse("slurm_load_jobs error\n12|N/A|RUNNING|None|N/A|c3\n12|PENDING|None assigned\n\n") == []


@pytest.mark.parametrize(("row", "indices"), [("12_[1-3,7]", [1, 2, 3, 7]), ("12_[2-4%2]", [2, 3, 4]), ("12_5", [5])])
def test_one_row_of_the_accounting_stands_for_all_that_were_cancelled_while_they_waited(row: str, indices: list[int]) -> None:
    cancelled = [Element("12", index, "over", "CANCELLED", cause=Cause.CANCELLED) for index in indices]
    assert SLURM.parse(f"{row}|CANCELLED by 494098|None assigned\n") == cancelled


def test_a_state_that_nobody_knows_is_none_of_a_job_that_is_over() -> None:
    assert SLURM.parse("12|4|EXPEDITING|None|N/A|c3\n") == [Element("12", 4, "running", node="c3")]


@pytest.mark.parametrize(
    "log",
    [
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=12.batch. Some of your processes may have been killed",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch. Some of the step tasks have been OOM Killed.",
    ],
)
def test_what_slurm_writes_into_the_output_tells_a_lack_of_memory(log: str) -> None:
    assert SLURM.blame(log) is Cause.MEMORY


@given(st.sets(st.integers(1, 2000), min_size=1))
def test_indices_are_read_as_slurm_shortens_them(indices: set[int]) -> None:
    parts: list[list[int]] = []
    for index in sorted(indices):
        if parts and parts[-1][1] == index - 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
    assert {element.index for element in SLURM.parse(f"1|{text}|PENDING|Priority|N/A|")} == indices


def test_a_request_is_written_as_options_of_sbatch() -> None:
    job = JobRequest(
        partition="batch",
        account="abc",
        qos="high",
        wall_time="25h",
        nodes=2,
        tasks=8,
        cpus=4,
        memory="2G",
        gpus="a100:2",
        constraint="ib&bigmem",
        reservation="maintenance",
        exclusive=True,
        mail="lab@example.org",
        directives=["--licenses=abc:1"],
    )
    assert SLURM.problems(job) == []
    assert SLURM.header("run.b.1", Array(1, 0, 10), job, 3) == [
        "#SBATCH --job-name=run.b.1",
        "#SBATCH --array=1-10%3",
        "#SBATCH --output=log/1.%a",
        "#SBATCH --open-mode=append",
        "#SBATCH --no-requeue",
        "#SBATCH --partition=batch",
        "#SBATCH --account=abc",
        "#SBATCH --qos=high",
        "#SBATCH --time=25:00:00",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks=8",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=2048M",
        "#SBATCH --gpus=a100:2",
        '#SBATCH --constraint="ib&bigmem"',
        "#SBATCH --reservation=maintenance",
        "#SBATCH --mail-user=lab@example.org",
        "#SBATCH --mail-type=END,FAIL",
        "#SBATCH --exclusive",
        "#SBATCH --licenses=abc:1",
    ]


@given(st.integers(1, 9000), st.integers(0, 50))
def test_an_array_has_the_indices_from_one(size: int, at_once: int) -> None:
    head = SLURM.header("c1", Array(1, 0, size), JobRequest(), at_once)
    assert head[1] == f"#SBATCH --array=1-{size}{f'%{at_once}' if at_once else ''}"
    assert len(head) == 5, "what was not asked for is left to the cluster"


@pytest.mark.parametrize("none", ["accounting_storage/none", "(null)"])
def test_the_largest_array_ends_one_below_the_setting(none: str) -> None:
    facts = SLURM.read_facts(
        f"slurm-wlm 22.05.8\nMaxArraySize            = 1001\nAccountingStorageType   = {none}\nbatch*|up|1:00:00|4|16|64000\n"
    )
    assert (facts.version, facts.largest_array, facts.accounting) == ("Slurm 22.05.8", 1000, False)
    assert facts.notes == ("partition batch*: up, at most 1:00:00, 4 nodes with 16 CPUs and 64000 MB",)


@pytest.mark.parametrize(("size", "tasks", "largest"), [(1001, 200, 200), (101, 200, 100), (4_000_001, 10_000, 10_000)])
def test_a_limit_on_the_tasks_of_an_array_counts_too(size: int, tasks: int, largest: int) -> None:
    told = f"MaxArraySize            = {size}\nSchedulerParameters     = bf_interval=2,max_array_tasks={tasks},defer\n"
    assert SLURM.read_facts(told).largest_array == largest


def test_reasons_that_never_pass_are_told_from_those_that_do() -> None:
    assert SLURM.is_hopeless("PartitionTimeLimit")
    assert SLURM.is_hopeless("InvalidQOS")
    assert not SLURM.may_pass("PartitionTimeLimit")
    assert not SLURM.is_hopeless("Resources")
    assert not SLURM.is_hopeless("ReqNodeNotAvail")


@pytest.mark.parametrize("reason", ["PartitionNodeLimit", "PartitionConfig", "BadConstraints", "InvalidAccount", "InvalidQOS"])
def test_a_reason_that_is_also_given_while_something_is_down_may_pass(reason: str) -> None:
    assert SLURM.is_hopeless(reason)
    assert SLURM.may_pass(reason)


@pytest.mark.parametrize("state", ["PENDING", "CANCELLED"])  # once it was taken out of the queue
@pytest.mark.parametrize("reason", ["launch failed requeued held", "launch_failed_requeued_held"])
def test_an_element_that_its_node_could_not_launch_is_over_though_it_is_held_in_the_queue(state: str, reason: str) -> None:
    assert SLURM.parse(f"1|2|{state}|{reason}|1764019800|\n") == [Element("1", 2, "over", reason, cause=Cause.NODE)]


def test_elements_that_wait_for_different_reasons_and_are_told_in_one_line_are_not_taken_for_over() -> None:
    told = "1|2,5-6|PENDING|Resources,launch failed requeued held|1764019800|\n"
    assert {element.state for element in SLURM.parse(told)} == {"pending"}


POLICY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)"
)


@pytest.mark.parametrize(
    "limit",
    [
        "AssocGrpSubmitJobsLimit",
        "AssocMaxSubmitJobLimit",
        "MaxSubmitJobsPerAccount",
        "QOSGrpSubmitJobsLimit",
        "QOSMaxSubmitJobPerAccountLimit",
        "QOSMaxSubmitJobPerUserLimit",
    ],
)
def test_a_limit_on_submissions_leaves_room_later(limit: str) -> None:
    assert SLURM.is_full(f"sbatch: error: {limit} {POLICY}")


@pytest.mark.parametrize("limit", ["QOSMaxWallDurationPerJobLimit", "QOSMinGRES", "AssocMaxNodePerJobLimit", "MaxMemPerAccount"])
def test_a_limit_on_what_a_job_asks_for_is_final_though_the_sentence_on_policy_speaks_of_submissions(limit: str) -> None:
    assert not SLURM.is_full(f"sbatch: error: {limit} {POLICY}")


def test_where_policy_names_no_limit_there_may_be_room_later() -> None:
    assert SLURM.is_full(POLICY)


def test_refusals_that_pass_are_told_from_those_that_stay() -> None:
    assert SLURM.is_full("sbatch: error: AssocMaxSubmitJobLimit")
    assert SLURM.is_full("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying")
    assert SLURM.is_away("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)")
    assert not SLURM.is_full("sbatch: error: invalid partition specified: nowhere")
    assert not SLURM.is_away("sbatch: error: invalid partition specified: nowhere")
