"""Connectors on a real Grid Engine, which looks at its queue once a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.errors import InvalidRequest, RunCancelled, RunFailed
from blocks.job import JobRequest
from blocks.scheduler.gridengine import GridEngine as Dialect
from connectors.randnum.connector import RandNum
from flows.request import Reliability
from tests.clusters.engine import grid_engine_compute
from tests.clusters.test_slurm import ANSWER, Watcher, answers, until
from tests.clusters.test_slurm_faults import ONCE, WAIT, AtWork
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers.gridengine import GridEngine

pytestmark = [pytest.mark.cluster, pytest.mark.ssh]

BY_NAME = Dialect("smp", "h_vmem").find('"$1"')


def queue(cluster: GridEngine) -> list[list[str]]:
    """The rows of the queue: job, priority, name, user, state and so on."""
    return [line.split() for line in cluster.run("qstat", "-u", cluster.host.user).splitlines()[2:]]


def running(cluster: GridEngine) -> list[tuple[str, str]]:
    """The job and the index of what runs."""
    return [(row[0], row[-1]) for row in queue(cluster) if row[4] == "r"]


def nothing_is_left(cluster: GridEngine) -> bool:
    """No job in the queue, no folder of a run on the shared file system."""
    return not queue(cluster) and {path.name for path in (cluster.host.home / ".chiminey").iterdir()} <= {"payloads"}


def test_a_sweep_is_one_array_and_one_connection(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    compute = grid_engine_compute(grid_engine.host)
    result = lab.go(connector(tmp_path / "c", ANSWER), compute, sweep={"n": list(range(6))})
    assert answers(lab, result.name) == {str(number): str(number) for number in range(1, 7)}
    assert grid_engine.submissions() == 1
    assert grid_engine.host.connections() == 1
    assert nothing_is_left(grid_engine)


def test_a_connector_runs_unchanged(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    result = lab.go(RandNum(), grid_engine_compute(grid_engine.host))
    assert (result.state, result.tasks.failed) == ("completed", 0)


def test_short_tasks_are_packed_into_few_jobs(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", 'echo "$SGE_TASK_ID" >"$2/answer"\n', job=JobRequest(tasks_per_job=10))
    result = lab.go(sample, grid_engine_compute(grid_engine.host), sweep={"n": list(range(25))})
    told = answers(lab, result.name)
    assert [sorted(told.values()).count(index) for index in "123"] == [10, 10, 5]


def test_a_request_reaches_the_scheduler(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", 'qstat -j "$JOB_ID" >"$2/answer"\n', job=JobRequest(cpus=2, memory="500M"))
    compute = grid_engine_compute(grid_engine.host, wall_time="30m", directives=["-js 7"])
    told = answers(lab, lab.go(sample, compute, job=JobRequest(wall_time="10m", partition="all.q")).name)["1"]
    for part in ("h_rt=600", "h_vmem=250M", "smp range: 2", "all.q", "jobshare:"):
        assert part in told


def test_a_failed_task_shows_its_exit_code_and_its_last_words(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    fail = '[ "$CHIMINEY_TASK_ID" != 2 ] || { echo "the matrix is singular" >&2; exit 100; }\n' + ANSWER
    compute = grid_engine_compute(grid_engine.host)
    result = lab.go(connector(tmp_path / "c", fail), compute, sweep={"n": [1, 2, 3]}, reliability=ONCE)
    assert (result.state, result.tasks.completed) == ("completed-with-failures", 2)
    assert result.messages == ("task 2 failed with exit code 100: the matrix is singular",)
    assert lab.tasks(result)[1].attempt == 2


def test_a_task_that_exceeds_its_time_is_run_again_with_more(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    slow = '[ "$CHIMINEY_ATTEMPT" -gt 1 ] || sleep 600\n' + ANSWER
    compute = grid_engine_compute(grid_engine.host, wall_time="5s")
    result = lab.go(connector(tmp_path / "c", slow), compute, reliability=Reliability(on_timeout="more"))
    assert result.tasks.completed == 1
    assert any("time limit" in message and "failed 37" in message for message in lab.view.messages)


def test_a_request_that_nothing_can_satisfy_is_refused_with_the_reason(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", ANSWER)
    for wanted, words in (
        (JobRequest(memory="1000G"), "no suitable queues.*offers only"),
        (JobRequest(partition="nope.q"), 'unknown queue "nope.q"'),
        (JobRequest(partition="short.q", wall_time="2h"), "no suitable queues"),
    ):
        with pytest.raises(RunFailed, match=words):
            lab.go(sample, grid_engine_compute(grid_engine.host), job=wanted)
        assert nothing_is_left(grid_engine)


def test_several_processors_need_a_parallel_environment_before_anything_is_sent(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    compute = grid_engine_compute(grid_engine.host, parallel_environment="")
    with pytest.raises(InvalidRequest, match="parallel_environment"):
        lab.request(connector(tmp_path / "c", ANSWER), compute, job=JobRequest(cpus=4))


def test_elements_that_are_deleted_by_hand_are_not_run_again(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    compute = grid_engine_compute(grid_engine.host, at_once=2)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), compute, sweep={"n": [1, 2, 3, 4]})
    (job, _), _ = until(lambda: running(grid_engine) if len(running(grid_engine)) == 2 else None)
    for index in "24":  # one that runs, and one that waits
        grid_engine.run("qdel", job, "-t", index)
    until(lambda: len(running(grid_engine)) == 2)
    (grid_engine.host.home / "go").touch()
    result = run.result()
    assert (result.state, result.tasks.completed, result.tasks.failed) == ("completed-with-failures", 2, 2)
    assert {task.id: task.attempt for task in lab.tasks(result)} == {1: 1, 2: 1, 3: 1, 4: 1}
    assert sum("cancelled" in message for message in lab.view.messages) == 2


def test_an_element_that_can_not_be_begun_is_told_with_its_reason_and_removed(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    compute = grid_engine_compute(grid_engine.host, directives=["-S /bin/nosuchshell"])
    with pytest.raises(RunFailed, match="unable to find shell"):
        lab.go(connector(tmp_path / "c", ANSWER), compute, sweep={"n": [1, 2]})
    assert nothing_is_left(grid_engine)


@pytest.mark.parametrize("code", [3, 99, 100])
def test_a_prologue_that_fails_is_told_with_what_it_printed(grid_engine: GridEngine, tmp_path: Path, code: int) -> None:
    lab = Lab(tmp_path)
    compute = grid_engine_compute(grid_engine.host, prologue=f'echo "no licence today" >&2; exit {code}')
    with pytest.raises(RunFailed, match="no licence today"):
        lab.go(connector(tmp_path / "c", ANSWER), compute, reliability=Reliability(maximum_retry=0))
    assert nothing_is_left(grid_engine)


def test_a_job_is_found_by_its_name_while_it_runs_and_when_it_has_ended(grid_engine: GridEngine) -> None:
    (grid_engine.host.home / "wait").write_text('until [ -e "$HOME/go" ]; do sleep 0.1; done\n')
    options = ["-terse", "-b", "y", "-N", "a-run.batch.1", "-o", "/dev/null", "-j", "y"]
    submitted = grid_engine.run("qsub", *options, "sh", "wait")
    find = f"find_job() {{ {BY_NAME}; }}; find_job "
    assert grid_engine.run("sh", "-c", f"{find} a-run.batch.1") == submitted
    (grid_engine.host.home / "go").touch()
    until(lambda: not queue(grid_engine))
    assert until(lambda: grid_engine.run("sh", "-c", f"{find} a-run.batch.1").strip()) == submitted.strip()
    assert grid_engine.run("sh", "-c", f"{find} another.batch.1").strip() == ""


def test_a_run_outlives_the_queue_master(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Watcher(tmp_path)
    run = AtWork(lab, connector(tmp_path / "c", WAIT), grid_engine_compute(grid_engine.host), sweep={"n": [1, 2, 3]})
    until(lambda: len(list(grid_engine.host.home.glob("begun.*"))) == 3)
    grid_engine.stop_qmaster()
    until(lambda: any("does not answer" in each.note for each in lab.seen))
    (grid_engine.host.home / "go").touch()
    grid_engine.start_qmaster()
    result = run.result()
    assert (result.state, result.tasks.completed) == ("completed", 3)
    assert [path.read_text() for path in grid_engine.host.home.glob("begun.*")] == ["1\n"] * 3
    assert grid_engine.submissions() == 1


def test_a_cancelled_run_leaves_no_job_and_no_folder(grid_engine: GridEngine, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(
        connector(tmp_path / "c", "trap '' TERM; sleep 300\n"),
        grid_engine_compute(grid_engine.host),
        sweep={"n": list(range(12))},
    )
    record = lab.add(proposal)

    when(lambda: len(running(grid_engine)) == 8, lambda: lab.ledger.request_cancel(record.id))
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)
    assert nothing_is_left(grid_engine)
