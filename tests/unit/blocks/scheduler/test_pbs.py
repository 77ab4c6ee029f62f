"""OpenPBS's words.

No package registry has OpenPBS, so nothing here has run on one. States, exit codes and what is said on standard error are those
that OpenPBS 23.06.06 was seen to answer; the tables and records around them have the form that its manual gives.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.job import JobRequest
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import Dialect, Element
from blocks.scheduler.job_script import AGAIN
from blocks.scheduler.pbs import OpenPBS
from blocks.scheduler.torque import Torque
from blocks.work import Cause

PBS = OpenPBS()

QUEUE = """\
Job id            Name             User              Time Use S Queue
----------------  ---------------- ----------------  -------- - -----
9[].pbshost       c0123456789abcd  lab                      0 B workq
9[1].pbshost      c0123456789abcd  lab               00:00:00 X workq
9[2].pbshost      c0123456789abcd  lab               00:00:07 R workq
9[3].pbshost      c0123456789abcd  lab                      0 Q workq
10.pbshost        c1123456789abcd  lab                      0 H workq
Job Id: 9[].pbshost
    job_state = B
    comment = Not Running: Insufficient amount of resource: ncpus (R: 64 A: 8
\t T: 8)
    estimated.start_time = Tue Nov 24 21:30:00 2026
    substate = 10
Job Id: 10.pbshost
    job_state = H
    comment = Can Never Run: Insufficient amount of resource: ncpus (R: 640 A:
\t 64 T: 64)
"""
RECORDS = """\
Job Id: 9[].pbshost
    job_state = F
    substate = 92
    Exit_status = 0
Job Id: 9[2].pbshost
    job_state = F
    exec_host = node1/0*4+node2/0*4
    substate = 93
    Exit_status = 1
Job Id: 9[3].pbshost
    job_state = F
    exec_host = node2/1
    substate = 91
    Exit_status = 271
Job Id: 9[4].pbshost
    job_state = F
    substate = 91
Job Id: 0.pbshost
    job_state = F
    exec_host = node1/0
    substate = 93
    Exit_status = 3
"""


def test_what_waits_has_its_reason_and_its_expected_start_and_what_is_over_is_told_too() -> None:
    reason = "Insufficient amount of resource: ncpus (R: 64 A: 8 T: 8)"
    start = datetime(2026, 11, 24, 21, 30, tzinfo=UTC).timestamp()
    waiting = Element("10", 1, "pending", "Can Never Run: Insufficient amount of resource: ncpus (R: 640 A: 64 T: 64)")
    first, *others = PBS.parse(QUEUE)
    assert (first.job, first.index, first.state) == ("9[]", 1, "over")
    assert others == [
        Element("9[]", 2, "running"),
        Element("9[]", 3, "pending", reason, start),
        waiting,
    ]
    assert PBS.is_hopeless(waiting.reason)
    assert not PBS.is_hopeless(reason)


def test_an_empty_queue_and_a_job_that_has_just_finished_are_no_elements() -> None:
    finished = "qstat: 0.pbshost Job has finished, use -x or -H to obtain historical job information\n"
    unknown = "qstat: Unknown Job Id 999.pbshost\n"
    assert PBS.parse("") == PBS.parse(finished) == PBS.parse(unknown) == []


def test_the_end_of_each_element_is_its_own_and_not_that_of_the_array() -> None:
    ended = {(each.job, each.index): each for each in PBS.parse(RECORDS)}
    assert ended == {
        ("9[]", 2): Element("9[]", 2, "over", "Exit_status 1", node="node1"),
        ("9[]", 3): Element(
            "9[]", 3, "over", "Exit_status 271 (ended by SIGTERM, as qdel does)", node="node2", cause=Cause.CANCELLED
        ),
        ("9[]", 4): Element("9[]", 4, "over", "deleted", cause=Cause.CANCELLED),
        ("0", 1): Element("0", 1, "over", "Exit_status 3", node="node1"),
    }


@pytest.mark.parametrize(
    ("code", "cause"),
    [(-29, Cause.TIME), (-28, Cause.TIME), (-27, Cause.MEMORY), (-26, Cause.MEMORY), (-20, Cause.NODE), (271, Cause.CANCELLED)],
)
def test_an_exit_code_of_its_own_says_what_ended_a_job(code: int, cause: Cause) -> None:
    (element,) = PBS.parse(f"Job Id: 9[2].pbshost\n    job_state = F\n    Exit_status = {code}\n")
    assert element.cause == cause
    assert str(code) in element.reason


@pytest.mark.parametrize("dialect", [OpenPBS(), Torque()])
@pytest.mark.parametrize(
    ("used", "asked", "cause"),
    [
        ("walltime = 00:10:04", "walltime = 00:10:00", Cause.TIME),
        ("walltime = 25:00:00", "walltime = 25:00:00", Cause.TIME),
        ("mem = 2097256kb", "mem = 2gb", Cause.MEMORY),
        ("walltime = 00:09:59", "walltime = 00:10:00", Cause.CANCELLED),
        ("mem = 1024kb", "mem = 2048mb", Cause.CANCELLED),
    ],
)
def test_a_job_that_was_ended_at_a_limit_by_the_signal_of_qdel_was_not_cancelled(
    commands: Path, dialect: Dialect, used: str, asked: str, cause: Cause
) -> None:
    answer(
        commands,
        "qstat",
        f"Job Id: 9[2].pbshost\n    job_state = C\n    Exit_status = 271\n    exit_status = 271\n"
        f"    resources_used.{used}\n    Resource_List.{asked}\n",
    )
    (element,) = dialect.parse(shell(commands, dialect.history(accounting=True)).stdout)
    assert element.cause is cause


@pytest.mark.parametrize(("substate", "cause"), [("91", Cause.CANCELLED), ("93", None)])
def test_where_the_server_says_whether_qdel_ended_it_that_counts(substate: str, cause: Cause | None) -> None:
    (element,) = PBS.parse(f"Job Id: 9[2].pbshost\n    job_state = F\n    substate = {substate}\n    Exit_status = 271\n")
    assert element.cause is cause


def test_a_request_is_written_in_chunks() -> None:
    job = JobRequest(
        partition="workq",
        account="abc",
        wall_time="25h",
        nodes=2,
        tasks=8,
        cpus=4,
        memory="2G",
        gpus="2",
        exclusive=True,
        mail="lab@example.org",
        directives=["-l software=abc"],
    )
    assert PBS.header("c1", Array(1, 0, 10), job, 3) == [
        "#PBS -N c1",
        "#PBS -S /bin/sh",
        "#PBS -q workq",
        "#PBS -A abc",
        "#PBS -l walltime=25:00:00",
        "#PBS -M lab@example.org",
        "#PBS -m ea",
        "#PBS -r y",
        "#PBS -J 1-10%3",
        "#PBS -o /dev/null",
        "#PBS -j oe",
        "#PBS -l select=2:ncpus=16:mpiprocs=4:mem=2048mb:ngpus=1",
        "#PBS -l place=scatter:excl",
        "#PBS -P abc",
        "#PBS -l software=abc",
    ]
    assert PBS.problems(job) == []


@pytest.mark.parametrize("dialect", [OpenPBS(), Torque()])
def test_nobody_gets_a_mail_who_did_not_ask_for_it(dialect: Dialect) -> None:
    assert [line for line in dialect.header("c1", Array(1, 0, 2), JobRequest(), 0) if "-m" in line or "-M" in line] == [
        "#PBS -m n"
    ]


def test_one_element_is_no_array_and_is_not_run_again_by_the_server() -> None:
    head = PBS.header("c1", Array(1, 0, 1), JobRequest(), 5)
    assert "#PBS -r n" in head
    assert not any(line.startswith("#PBS -J") for line in head)


@given(st.integers(2, 9000), st.integers(0, 50))
def test_an_array_has_the_indices_from_one_and_never_the_option_that_arrays_refuse(size: int, at_once: int) -> None:
    head = PBS.header("c1", Array(1, 0, size), JobRequest(), at_once)
    assert f"#PBS -J 1-{size}{f'%{at_once}' if at_once else ''}" in head
    assert "#PBS -r n" not in head


@given(st.integers(0, 4), st.integers(0, 16), st.integers(0, 8), st.integers(0, 8))
def test_what_all_chunks_have_is_what_was_asked_for(nodes: int, tasks: int, cpus: int, gpus: int) -> None:
    job = JobRequest(nodes=nodes, tasks=tasks, cpus=cpus, gpus=str(gpus or ""))
    if PBS.problems(job):
        assert tasks % nodes or gpus % nodes
        return
    line = next((line for line in PBS.header("c1", Array(1, 0, 2), job, 0) if "select=" in line), "")
    assert bool(line) == bool(nodes or tasks or cpus or gpus)
    first, *rest = line.partition("select=")[2].split(":")
    chunk = dict(part.split("=") for part in rest)
    if tasks:
        assert int(first) * int(chunk["mpiprocs"]) == tasks
        assert int(first) * int(chunk["ncpus"]) == job.processors
    if gpus:
        assert int(first) * int(chunk["ngpus"]) == gpus


@pytest.mark.parametrize(
    ("job", "advice"),
    [
        (JobRequest(qos="high"), "ask for the partition"),
        (JobRequest(constraint="rome"), "as a directive, such as -l select="),
        (JobRequest(partition="workq", reservation="R12"), "not both"),
        (JobRequest(nodes=2, tasks=3), "3 can't be divided by 2 nodes"),
        (JobRequest(nodes=2, gpus="3"), "3 can't be divided by 2 nodes"),
        (JobRequest(gpus="a100:2"), "ask for the type with a directive"),
    ],
)
def test_what_it_has_no_word_for_is_told_with_what_to_do(job: JobRequest, advice: str) -> None:
    (problem,) = PBS.problems(job)
    assert advice in problem


def test_a_reservation_is_a_queue() -> None:
    assert "#PBS -q R12" in PBS.header("c1", Array(1, 0, 2), JobRequest(reservation="R12"), 0)


def test_the_server_tells_its_limits() -> None:
    facts = PBS.read_facts(
        "Server: pbshost\n    server_state = Active\n    pbs_version = 23.06.06\n"
        "set server max_array_size = 2000\nset server job_history_enable = True\n"
        "Queue: workq\n    enabled = True\n    resources_max.walltime = 24:00:00\nQueue: old\n    enabled = False\n"
    )
    assert (facts.version, facts.largest_array, facts.accounting) == ("PBS 23.06.06", 2000, True)
    assert facts.notes == ("queue workq, at most 24:00:00", "queue old, closed")


def test_a_server_that_says_nothing_has_its_defaults() -> None:
    facts = PBS.read_facts("")
    assert (facts.version, facts.largest_array, facts.accounting) == ("PBS", 10_000, False)


def test_refusals_that_pass_are_told_from_those_that_stay() -> None:
    assert PBS.is_full("qsub: Maximum number of jobs already in queue workq")
    assert PBS.is_full("qsub: would exceed queue generic's per-user limit of jobs in 'Q' state")
    assert PBS.is_away("qsub: cannot connect to server pbshost (errno=111)")
    assert not PBS.is_full("qsub: Unknown queue")
    assert not PBS.is_away("qsub: Unknown queue")


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder of commands that answer with what they were given; they are written by ``answer``."""
    return tmp_path


def answer(commands: Path, name: str, text: str, code: int = 0) -> None:
    (commands / f"{name}.txt").write_text(text)
    (commands / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{commands}/asked\ncat {commands}/{name}.txt\nexit {code}\n')
    (commands / name).chmod(0o755)


def shell(commands: Path, script: str) -> subprocess.CompletedProcess[str]:
    whole = f'commas() {{ echo "$*" | tr " " ","; }}\nnames="c1 c2" jobs="9[] 10"\n{script}'
    return subprocess.run(
        [shutil.which("dash") or "sh", "-c", whole],
        env={"PATH": f"{commands}:/usr/bin:/bin"},
        cwd=commands,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_recorded_id_of_an_array_is_kept_without_the_server(commands: Path) -> None:
    answer(commands, "qsub", "1[].pbshost\n")
    assert shell(commands, PBS.submit("array.1")).stdout == "1[]\n"


@pytest.mark.parametrize("dialect", [OpenPBS(), Torque()])
@pytest.mark.parametrize(("line", "number"), [("12[].pbshost", "12[]"), ("12.pbshost.a.site", "12"), ("12", "12")])
def test_the_id_is_found_among_the_notices_that_a_site_prints(commands: Path, dialect: Dialect, line: str, number: str) -> None:
    (commands / "array.1").write_text("#!/bin/sh\n")
    answer(commands, "qsub", f"\n--- Welcome to the machine ---\n2 of 5 projects are over quota.\n{line}\n\nThank you\n")
    assert shell(commands, dialect.submit("array.1")).stdout == f"{number}\n"


def test_notices_alone_are_no_id(commands: Path) -> None:
    answer(commands, "qsub", "Welcome\n2 of 5 projects are over quota.\n")
    result = shell(commands, PBS.submit("array.1"))
    assert (result.returncode, result.stdout) == (0, "")


def test_a_refused_submission_fails(commands: Path) -> None:
    answer(commands, "qsub", "", 170)
    assert shell(commands, PBS.submit("array.1")).returncode != 0


def test_only_jobs_that_live_are_asked_about_and_an_id_that_ended_meanwhile_is_no_error(commands: Path) -> None:
    answer(commands, "qselect", "9[].pbshost\n")
    answer(commands, "qstat", QUEUE, 35)
    result = shell(commands, PBS.queue())
    assert result.returncode == 0
    assert PBS.parse(result.stdout)[1].state == "running"
    assert "qstat -t 9[].pbshost 9[].pbshost\n" in (commands / "asked").read_text()


def test_an_empty_queue_prints_nothing(commands: Path) -> None:
    answer(commands, "qselect", "")
    result = shell(commands, PBS.queue())
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_server_that_does_not_answer_is_no_empty_queue(commands: Path) -> None:
    answer(commands, "qselect", "", 111)
    assert shell(commands, PBS.queue()).returncode != 0
    assert shell(commands, PBS.find("c1")).returncode != 0


def test_of_long_records_only_what_is_read_is_sent(commands: Path) -> None:
    long = (
        "Job Id: 0.pbshost\n    Variable_List = PBS_O_HOME=/home/lab,\n\tPBS_O_LANG=C\n    job_state = F\n    Exit_status = 3\n"
    )
    answer(commands, "qstat", long)
    result = shell(commands, PBS.history(accounting=True))
    assert result.stdout == "Job Id: 0.pbshost\n    job_state = F\n    Exit_status = 3\n"


def test_a_job_is_found_where_the_server_keeps_no_history(commands: Path) -> None:
    (commands / "qselect").write_text(
        "#!/bin/sh\ncase $1 in -x) exit; esac\n"  # as OpenPBS does: it finds nothing, and says so to nobody
        "echo 9[].pbshost\n"
    )
    (commands / "qselect").chmod(0o755)
    result = shell(commands, PBS.find("c1"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "9[]\n", "")


def test_the_job_of_a_name_is_found_once(commands: Path) -> None:
    answer(commands, "qselect", "9[].pbshost\n12[].pbshost\n")
    assert shell(commands, PBS.find("c1")).stdout == "9[]\n"
    answer(commands, "qselect", "")
    result = shell(commands, PBS.find("c1"))
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    ("comment", "is_hopeless"),
    [
        ("job held, too many failed attempts to run", True),
        ("Job Array Held, too many failed attempts to run subjob 9[1].pbshost", True),
        ("job held due to possible security breach of job tmpdir, failed to start", True),
        ("Job held by lab on Tue Nov 24 21:30:00 2026", False),
    ],
)
def test_a_job_that_is_held_says_why_and_is_given_up_when_nobody_but_an_administrator_can_release_it(
    comment: str, is_hopeless: bool
) -> None:
    (element,) = PBS.parse(f"Job Id: 9[1].pbshost\n    job_state = H\n    comment = {comment}\n")
    assert (element.state, element.reason) == ("pending", comment)
    assert PBS.is_hopeless(element.reason) == is_hopeless


def test_a_beginning_that_nobody_knows_is_none() -> None:
    (element,) = PBS.parse("Job Id: 9[1].pbshost\n    job_state = Q\n    estimated.start_time = UNKNOWN\n")
    assert element.start == 0.0


def test_an_element_that_was_begun_anew_was_preempted() -> None:
    assert PBS.blame(f"{AGAIN}\n") is Cause.PREEMPTED
    assert PBS.blame("whatever else it said") is None
