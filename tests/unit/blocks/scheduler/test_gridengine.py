"""Grid Engine's words: what it is asked for, and how its answers are understood. The answers are those of a real 8.1.9."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.errors import Unreachable
from blocks.job import JobRequest
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import Element
from blocks.scheduler.gridengine import GridEngine
from blocks.work import Cause

DIALECT = GridEngine("smp", "h_vmem")

QUEUE = """<?xml version='1.0'?>
<job_info  xmlns:xsd="http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/qstat/qstat.xsd">
  <queue_info>
    <job_list state="running">
      <JB_job_number>3</JB_job_number>
      <JB_name>run.b.1</JB_name>
      <state>r</state>
      <queue_name>all.q@n231</queue_name>
      <tasks>1</tasks>
    </job_list>
    <job_list state="running">
      <JB_job_number>3</JB_job_number>
      <JB_name>run.b.1</JB_name>
      <state>dr</state>
      <queue_name>all.q@n231</queue_name>
      <tasks>2</tasks>
    </job_list>
  </queue_info>
  <job_info>
    <job_list state="pending">
      <JB_job_number>3</JB_job_number>
      <JB_name>run.b.1</JB_name>
      <state>{state}</state>
      <queue_name></queue_name>
      <tasks>{tasks}</tasks>
    </job_list>
  </job_info>
</job_info>
"""


def record(
    task: int,
    failed: str,
    status: str,
    *,
    category: str = "NONE",
    wallclock: str = "2s",
    maxvmem: str = "3.383MB",
    slots: int = 1,
) -> str:
    """What is kept of a record of ``qacct -j``."""
    return f"""hostname     n231
jobnumber    3
taskid       {task}
slots        {slots}
failed       {failed}
exit_status  {status}
ru_wallclock {wallclock}
maxvmem      {maxvmem}
category     {category}
"""


def header(job: JobRequest, at_once: int = 0, dialect: GridEngine = DIALECT) -> list[str]:
    return [line.removeprefix("#$ ") for line in dialect.header("name", Array(1, 0, 20), job, at_once)]


def test_an_array_starts_under_a_posix_shell_in_the_batchs_folder_and_is_refused_if_it_can_never_run() -> None:
    expected = ["-N name", "-t 1-20", "-tc 4", "-cwd", "-S /bin/sh", "-o /dev/null", "-j y", "-r n", "-w e"]
    assert header(JobRequest(), at_once=4) == expected


def test_a_request_is_put_into_grid_engines_words() -> None:
    job = JobRequest(
        partition="long.q",
        account="physics",
        wall_time="1h30m",
        gpus="2",
        reservation="7",
        exclusive=True,
        mail="someone@localhost",
        mail_on=["begin", "fail"],
        directives=["-l arch=lx-amd64"],
    )
    assert header(job)[8:] == [
        "-q long.q",
        "-P physics",
        "-l h_rt=5400",
        "-l gpu=2",
        "-l exclusive=true",
        "-ar 7",
        "-M someone@localhost",
        "-m ba",
        "-l arch=lx-amd64",
    ]


@pytest.mark.parametrize(
    ("job", "lines"),
    [
        (JobRequest(memory="1G"), ["-l mem=1024M"]),
        (JobRequest(memory="1G", cpus=3), ["-pe smp 3", "-l mem=342M"]),
        (JobRequest(memory="1G", tasks=2, cpus=2), ["-pe smp 4", "-l mem=256M"]),
        (JobRequest(memory="1G", nodes=2, tasks=8), ["-pe smp 8", "-l mem=256M"]),
        (JobRequest(cpus=1), []),
    ],
)
def test_memory_is_divided_by_the_slots_and_rounded_up(job: JobRequest, lines: list[str]) -> None:
    assert header(job, dialect=GridEngine("smp", "mem"))[8:] == lines


def test_what_grid_engine_has_no_word_for_is_told_all_at_once() -> None:
    job = JobRequest(qos="high", constraint="rome", cpus=4, gpus="a100:2")
    problems = GridEngine("", "h_vmem").problems(job)
    for problem, word in zip(problems, ("qos", "constraint", "parallel_environment", "gpus"), strict=True):
        assert word in problem
    assert DIALECT.problems(JobRequest(cpus=4, gpus="2")) == []


def test_running_elements_are_told_one_by_one_and_waiting_ones_together() -> None:
    elements = DIALECT.parse(QUEUE.format(state="qw", tasks="8-12:2,20"))
    assert elements[:2] == [Element("3", index, "running", node="n231") for index in (1, 2)]
    assert elements[2:] == [Element("3", index, "pending") for index in (8, 10, 12, 20)]


def test_a_hold_is_the_reason_of_waiting() -> None:
    assert DIALECT.parse(QUEUE.format(state="hqw", tasks="8"))[2] == Element("3", 8, "pending", "hqw")


def test_an_element_in_an_error_state_is_over() -> None:
    assert DIALECT.parse(QUEUE.format(state="Eqw", tasks="8,9"))[3] == Element("3", 9, "over", "Eqw")


@pytest.mark.parametrize(
    "text", ["<?xml version='1.0'?><job_info>", "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
)
def test_what_is_not_plain_xml_is_asked_for_again(text: str) -> None:
    with pytest.raises(Unreachable, match="XML"):
        DIALECT.parse(text)


@pytest.mark.parametrize(
    ("failed", "status", "cause"),
    [
        ("0", "0", None),
        ("0", "7", None),
        ("37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "137                  (Killed)", Cause.TIME),
        ("100 : assumedly after job", "137                  (Killed)", Cause.CANCELLED),
        ("100 : assumedly after job", "139                  (Segmentation fault)", None),
        ("19  : before writing exit_status", "0", Cause.NODE),
        ("27  : searching requested shell", "0", Cause.REFUSED),
    ],
)
def test_the_accounts_say_how_an_element_ended(failed: str, status: str, cause: Cause | None) -> None:
    (element,) = DIALECT.parse(record(2, failed, status))
    assert (element.job, element.index, element.state, element.node, element.cause) == ("3", 2, "over", "n231", cause)


@pytest.mark.parametrize(("maxvmem", "cause"), [("3.383MB", Cause.TIME), ("401.2MB", Cause.MEMORY)])
def test_a_limit_was_that_of_memory_when_all_of_it_was_in_use(maxvmem: str, cause: Cause) -> None:
    text = record(1, "37 : a limit", "137", category="-l h_rt=3,h_vmem=200M -pe smp 2", maxvmem=maxvmem, slots=2)
    assert DIALECT.parse(text)[0].cause is cause


@pytest.mark.parametrize("status", [137, 138, 140, 143, 152])
@pytest.mark.parametrize(
    ("wallclock", "maxvmem", "cause"),
    [
        ("39", "3.383MB", Cause.CANCELLED),
        ("59.9s", "3.383MB", Cause.CANCELLED),
        ("60", "3.383MB", Cause.TIME),
        ("61s", "3.383MB", Cause.TIME),
        ("60.02s", "3.383MB", Cause.TIME),
        ("39", "401.2MB", Cause.MEMORY),
    ],
)
def test_a_kill_is_that_of_a_limit_when_as_much_was_used_as_was_asked_for(
    status: int, wallclock: str, maxvmem: str, cause: Cause
) -> None:
    told = {"category": "-l h_rt=60,h_vmem=200M -pe smp 2", "wallclock": wallclock, "maxvmem": maxvmem, "slots": 2}
    assert DIALECT.parse(record(1, "100 : assumedly after job", f"{status}", **told))[0].cause is cause


@pytest.mark.parametrize("limit", ["s_rt=60", "h_rt=0:1:0", "h_rt=00:01:00"])
def test_limits_of_time_are_read_in_all_their_forms(limit: str) -> None:
    told = record(1, "100 : assumedly after job", "138", category=f"-l {limit},h_vmem=200M", wallclock="60s")
    assert DIALECT.parse(told)[0].cause is Cause.TIME


def test_of_an_element_that_was_begun_twice_the_later_record_counts() -> None:
    first, _ = DIALECT.parse(record(1, "19 : x", "0") + record(1, "0", "3"))
    assert first.reason == "exit_status 3"


def test_an_element_without_a_record_was_deleted_before_it_began() -> None:
    others, recorded = DIALECT.parse(record(1, "0", "0") + "others 3\n")
    assert (recorded.index, others.index, others.cause, others.unbegun) == (1, 0, Cause.CANCELLED, True)


def test_an_error_state_is_told_with_its_reason_before_what_the_accounts_say() -> None:
    error = "error 3 1:      11/24/2026 19:32:24 [54321:2090]: error: can't chdir to /home/lab/w: No such file or directory\n"
    first, *_ = DIALECT.parse(error + record(1, "26 : opening input/output file", "0"))
    assert first.reason == "Eqw (can't chdir to /home/lab/w: No such file or directory)"


def test_facts_are_read_from_what_a_login_node_prints() -> None:
    facts = DIALECT.read_facts(
        "SGE 8.1.9\nmax_aj_tasks                 75000\nqueues all.q short.q\nparallel environments smp mpi\naccounts\n"
    )
    assert (facts.version, facts.largest_array, facts.accounting) == ("Grid Engine (SGE 8.1.9)", 75000, True)
    assert facts.notes == ("queues: all.q, short.q", "parallel environments: smp, mpi")


@pytest.mark.parametrize("line", ["12.1-20:1", "12"])
def test_the_id_is_found_among_the_notices_that_a_site_prints(tmp_path: Path, line: str) -> None:
    (tmp_path / "qsub").write_text(f"#!/bin/sh\necho Welcome; echo {line}; echo 2 of 5 projects are over quota.\n")
    (tmp_path / "qsub").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    told = subprocess.run(["sh", "-c", DIALECT.submit("array.1")], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "12\n"


def test_a_queue_that_is_full_and_a_master_that_is_away_are_no_refusals() -> None:
    assert DIALECT.is_full("Unable to run job: job rejected: only 5 jobs are allowed per user (current job count: 5)")
    assert DIALECT.is_away("error: commlib error: got select error (Connection refused)")
    assert not DIALECT.is_full("Unable to run job: error: no suitable queues")


def without_category(text: str) -> str:
    """As all but Son of Grid Engine have it."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("category"))


@pytest.mark.parametrize(
    ("wallclock", "maxvmem", "cause"),
    [
        ("43201", "3383296", Cause.TIME),
        ("39", "3383296.000", Cause.CANCELLED),
        ("39", "209715200", Cause.MEMORY),
        ("39", "401.2MB", Cause.MEMORY),
    ],
)
def test_where_the_accounts_do_not_have_what_was_asked_for_the_job_scripts_do(wallclock: str, maxvmem: str, cause: Cause) -> None:
    told = without_category(record(1, "100 : assumedly after job", "137", wallclock=wallclock, maxvmem=maxvmem))
    (element,) = DIALECT.parse(f"{told}asked 3 h_rt=43200\nasked 3 h_vmem=200M\nasked 4 h_rt=1\n")
    assert element.cause is cause


def test_what_jobs_asked_for_is_read_from_their_scripts(tmp_path: Path) -> None:
    batch = tmp_path / "batches" / "b"
    batch.mkdir(parents=True)
    (batch / "job.1").write_text("3\n")
    (batch / "array.1").write_text("#!/bin/sh\n#$ -N name\n#$ -l h_rt=43200\n#$ -l h_vmem=200M\necho '#$ -l'\n")
    (batch / "job.2").write_text("33\n")
    (batch / "array.2").write_text("#$ -l h_rt=1\n")
    for command in ("qacct", "qstat"):
        (tmp_path / command).write_text("#!/bin/sh\n")
        (tmp_path / command).chmod(0o755)
    script = f"jobs=3\n{DIALECT.history(accounting=True)}"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    told = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "asked 3 h_rt=43200\nasked 3 h_vmem=200M\n"
