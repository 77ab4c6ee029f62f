"""Connectors on a real Slurm: what its users expect of a careful neighbour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import InvalidRequest, RunCancelled, RunFailed
from blocks.job import JobRequest
from blocks.storage import LocalStorage
from blocks.tree import file
from connectors.hrmc.connector import HRMC
from connectors.randnum.connector import RandNum
from connectors.spice.connector import Spice
from flows import SmartConnector
from flows.view import Progress
from tests.clusters.engine import slurm_compute
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.ssh]

ANSWER = 'echo "$CHIMINEY_TASK_ID" >"$2/answer"\n'


def answers(lab: Lab, name: str) -> dict[str, str]:
    """What the tasks of a run have written, by their ids."""
    return {path.parent.name: path.read_text().strip() for path in (lab.results / name / "output_0").glob("*/answer")}


def example(named: SmartConnector) -> LocalStorage | None:
    """The input that a connector brings along."""
    return LocalStorage(path=str(named.folder / named.example_input)) if named.example_input else None


def nothing_is_left(slurm: Slurm) -> bool:
    """No job in the queue, no folder of a run on the shared file system."""
    live = {state for state in slurm.jobs().values() if state in ("PENDING", "RUNNING", "COMPLETING")}
    return not live and {path.name for path in (slurm.host.home / ".chiminey").iterdir()} <= {"payloads"}


def until(true: Callable[[], Any], seconds: float = 250.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
    return answer


def test_a_sweep_is_one_array_and_one_connection(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", ANSWER), slurm_compute(slurm.host), sweep={"n": list(range(20))})
    assert answers(lab, result.name) == {str(number): str(number) for number in range(1, 21)}
    assert slurm.submissions() == 1
    assert slurm.host.connections() == 1
    assert nothing_is_left(slurm), lab.view.messages[2:]


def test_what_a_task_writes_is_as_open_as_the_umask_on_the_login_node_says(slurm: Slurm, tmp_path: Path) -> None:
    (slurm.host.home / ".bashrc").write_text("umask 027\n")
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", ANSWER), slurm_compute(slurm.host))
    (answer,) = (lab.results / result.name / "output_0").glob("*/answer")
    assert answer.stat().st_mode & 0o777 == 0o640


def test_what_the_payload_has_beside_the_process_is_beside_the_task(slurm: Slurm, tmp_path: Path) -> None:
    sample = connector(tmp_path / "c", 'cat ../table ../built >"$2/answer"', bootstrap="echo built >built\n")
    (tmp_path / "c/payload/table").write_text("table ")
    (tmp_path / "c/payload/log").write_text("a name that the batch needs itself")
    lab = Lab(tmp_path)
    result = lab.go(sample, slurm_compute(slurm.host), sweep={"n": [1, 2]})
    assert answers(lab, result.name) == {"1": "table built", "2": "table built"}


@pytest.mark.parametrize("named", [RandNum(), Spice()])
def test_a_connector_runs_unchanged(slurm: Slurm, tmp_path: Path, named: SmartConnector) -> None:
    lab = Lab(tmp_path)
    result = lab.go(named, slurm_compute(slurm.host), input=example(named))
    assert (result.state, result.tasks.failed) == ("completed", 0)


def test_an_iterating_connector_keeps_to_the_cluster_until_it_has_converged(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    result = lab.go(HRMC(), slurm_compute(slurm.host), input=example(HRMC()), max_iterations=2)
    assert (result.state, result.iterations) == ("completed", 2)
    assert slurm.submissions() == 2, "an array for each iteration, and none to set up what is set up"


def test_short_tasks_are_packed_into_few_jobs(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", ANSWER, job=JobRequest(tasks_per_job=25))
    result = lab.go(sample, slurm_compute(slurm.host), sweep={"n": list(range(100))})
    assert result.tasks.completed == 100
    assert len(slurm.jobs()) == 4


def test_a_wished_job_length_packs_as_many_as_earlier_tasks_make_likely(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", ANSWER)
    lab.go(sample, slurm_compute(slurm.host), sweep={"n": list(range(3))})
    lab.go(sample, slurm_compute(slurm.host), sweep={"n": list(range(60))}, job=JobRequest(job_length="30m"))
    arrays = {job.partition("_")[0] for job in slurm.jobs()}
    assert len(arrays) == 2
    assert len(slurm.jobs()) == 3 + 1


def test_several_tasks_of_a_job_run_at_once_where_it_is_given_the_room(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    meet = (
        'mkdir -p "$HOME/here"; : >"$HOME/here/$CHIMINEY_TASK_ID"\n'
        + 'until [ $(ls "$HOME/here" | wc -l) -ge 4 ]; do sleep 0.1; done\n'
    )
    wanted = JobRequest(tasks_per_job=4, tasks_at_once=4, cpus=4)
    result = lab.go(connector(tmp_path / "c", meet), slurm_compute(slurm.host), sweep={"n": [1, 2, 3, 4]}, job=wanted)
    assert result.tasks.completed == 4
    assert len(slurm.jobs()) == 1


def test_a_request_reaches_the_scheduler_from_resource_connector_and_run(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    tell = 'scontrol show job "$SLURM_JOB_ID" >"$2/answer"; echo "$SOLVER $LEVEL" >>"$2/answer"\n'
    sample = connector(
        tmp_path / "c", tell, job=JobRequest(cpus=2, memory="100M", environment={"SOLVER": "a b"}, directives=["--nice=7"])
    )
    compute = slurm_compute(slurm.host, wall_time="30m", cpus=1, prologue="LEVEL=$SOLVER:deep; export LEVEL")
    result = lab.go(sample, compute, job=JobRequest(wall_time="10m", partition="batch", mail="someone@localhost"))
    told = answers(lab, result.name)["1"]
    for part in (
        "CPUs/Task=2",
        "MinMemoryNode=100M",
        "TimeLimit=00:10:00",
        "Partition=batch",
        "Nice=7",
        "MailUser=someone@localhost",
    ):
        assert part in told
    assert told.endswith("a b a b:deep")


def test_what_the_scheduler_refuses_is_told_in_its_words_at_once(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    for wanted, words in (
        (JobRequest(partition="nowhere"), "invalid partition"),
        (JobRequest(nodes=77), "More processors requested than permitted"),
        (JobRequest(memory="1000G"), "Requested node configuration is not available"),
        (JobRequest(partition="short", wall_time="5h"), "Requested time limit is invalid"),
    ):
        began = time.monotonic()
        with pytest.raises(RunFailed, match=words):
            lab.go(connector(tmp_path / "c", ANSWER), slurm_compute(slurm.host), sweep={"n": list(range(50))}, job=wanted)
        assert time.monotonic() - began < 200
        assert nothing_is_left(slurm)


def test_a_failed_task_shows_its_exit_code_and_its_last_words(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    fail = '[ "$CHIMINEY_TASK_ID" != 2 ] || { echo "the matrix is singular" >&2; exit 7; }\n' + ANSWER
    result = lab.go(connector(tmp_path / "c", fail), slurm_compute(slurm.host), sweep={"n": [1, 2, 3]})
    assert (result.state, result.tasks.completed) == ("completed-with-failures", 2)
    assert result.messages == ("task 2 failed with exit code 7: the matrix is singular",)
    assert lab.tasks(result)[1].attempt == 3


def test_a_prologue_that_fails_is_told_with_what_it_printed(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    compute = slurm_compute(slurm.host, prologue='echo "no licence today" >&2; exit 3')
    with pytest.raises(RunFailed, match=r"it did not begin; Slurm says FAILED .*no licence today"):
        lab.go(connector(tmp_path / "c", ANSWER), compute)


def test_settings_may_be_of_bash_and_go_elsewhere_and_hold_any_character(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    odd = """it's "a" $HOME `b` \\n\nnext line"""
    tell = 'printf "%s|%s|%s" "$odd" "$element" "$level" >"$2/answer"\n'
    compute = slurm_compute(
        slurm.host,
        scratch="a folder/with blanks",
        environment={"odd": odd, "element": "7"},
        prologue="source /dev/null; levels=(low high); cd /tmp; set -- a b; export level=${levels[1]}",
    )
    result = lab.go(connector(tmp_path / "c", tell, bootstrap="[[ $level == high ]]\n"), compute, sweep={"n": [1, 2]})
    assert answers(lab, result.name) == dict.fromkeys("12", f"{odd}|7|high")


HABITS = """echo Welcome
export SQUEUE_STATES=COMPLETED SQUEUE_PARTITION=short SQUEUE_FORMAT=%i SQUEUE_USERS=root SLURM_TIME_FORMAT=relative
export SCANCEL_STATE=SUSPENDED SINFO_FORMAT=%n SACCT_FORMAT=JobID
export SBATCH_ARRAY_INX=1-2 SBATCH_JOB_NAME=mine SBATCH_OUTPUT=/dev/null SBATCH_WAIT=1 SBATCH_TIMELIMIT=3 SBATCH_PARTITION=short
"""


def test_what_users_have_set_for_slurm_in_their_bashrc_changes_no_job_and_hides_none(slurm: Slurm, tmp_path: Path) -> None:
    (slurm.host.home / ".bashrc").write_text(HABITS)
    lab = Lab(tmp_path)
    limit = 'scontrol show job "$SLURM_JOB_ID" | grep -o "TimeLimit=[^ ]*" | sort -u >"$2/answer"\n'
    tell = f'echo begun >>"$HOME/begun"; sleep 3\n{limit}'
    compute = slurm_compute(slurm.host, partition="batch", wall_time="20m", at_once=2)
    result = lab.go(connector(tmp_path / "c", tell), compute, sweep={"n": list(range(4))})
    assert answers(lab, result.name) == dict.fromkeys("1234", "TimeLimit=00:20:00")
    assert (slurm.host.home / "begun").read_text() == "begun\n" * 4
    assert nothing_is_left(slurm), lab.view.messages[2:]


def test_a_container_where_there_is_nothing_to_run_it_with_is_told(slurm: Slurm, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"there is no apptainer command on this host, to run the container /images/a\.sif with"):
        Lab(tmp_path).go(connector(tmp_path / "c", ANSWER), slurm_compute(slurm.host, container="/images/a.sif"))


def test_what_a_container_program_has_in_the_environment_is_no_container(slurm: Slurm, tmp_path: Path) -> None:
    compute = slurm_compute(slurm.host, environment={"container": "podman"})
    assert Lab(tmp_path).go(connector(tmp_path / "c", ANSWER), compute).tasks.completed == 1


def test_a_module_where_there_are_none_is_told_and_its_task_is_not_run(slurm: Slurm, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"it did not begin; .*there is no module command on this node"):
        Lab(tmp_path).go(connector(tmp_path / "c", ANSWER), slurm_compute(slurm.host, modules=["openmpi/4.1"]))


@pytest.mark.parametrize("directive", ["--array=5-6", "--job-name=mine", "-J mine", "-Jmine", "--output=a", "#SBATCH --nice=7"])
def test_a_directive_by_which_jobs_would_be_lost_is_refused_before_anything_is_sent(
    slurm: Slurm, tmp_path: Path, directive: str
) -> None:
    with pytest.raises(InvalidRequest, match="the directive"):
        Lab(tmp_path).go(connector(tmp_path / "c", ANSWER), slurm_compute(slurm.host, directives=[directive]))
    assert slurm.host.connections() == 0


class Watcher(Lab):
    """A lab that keeps the progress."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seen: list[Progress] = []
        self.view.progress = self.seen.append  # type: ignore[method-assign]


def test_progress_tells_what_runs_from_what_waits_and_why(slurm: Slurm, tmp_path: Path) -> None:
    lab = Watcher(tmp_path)
    wait = 'until [ -e "$HOME/go" ]; do sleep 0.1; done\n'
    compute = slurm_compute(slurm.host, at_once=2)
    run = threading.Thread(
        target=lab.go, args=(connector(tmp_path / "c", wait), compute), kwargs={"sweep": {"n": list(range(6))}}
    )
    run.start()
    until(lambda: any((each.running, each.queued) == (2, 4) and "JobArrayTaskLimit" in each.note for each in lab.seen))
    (slurm.host.home / "go").touch()
    run.join(250)
    assert lab.seen[-1].completed == 6


def test_a_cancelled_run_of_several_arrays_leaves_no_job_and_no_folder(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(
        connector(tmp_path / "c", "trap '' TERM; sleep 300\n"), slurm_compute(slurm.host), sweep={"n": list(range(1100))}
    )
    record = lab.add(proposal)

    when(lambda: {"RUNNING", "PENDING"} <= set(slurm.jobs().values()), lambda: lab.ledger.request_cancel(record.id))
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)
    assert nothing_is_left(slurm), lab.view.messages[2:]


def test_a_payload_is_set_up_once_for_all_runs_also_when_two_come_at_once(slurm: Slurm, tmp_path: Path) -> None:
    bootstrap = 'sleep 1; echo set up >>"$HOME/count"; echo ready >process_payload/tool\n'
    sample = connector(tmp_path / "c", 'cat tool >"$2/answer"\n', bootstrap=bootstrap)
    labs = [Lab(tmp_path / name) for name in "abc"]
    runs = [threading.Thread(target=lab.go, args=(sample, slurm_compute(slurm.host))) for lab in labs[:2]]
    for run in runs:
        run.start()
    for run in runs:
        run.join(250)
    labs[2].go(sample, slurm_compute(slurm.host))
    assert [path.read_text() for lab in labs for path in lab.results.glob("*/output_0/1/answer")] == ["ready\n"] * 3
    assert (slurm.host.home / "count").read_text() == "set up\n"


def test_who_saw_a_bootstrap_fail_leaves_alone_what_has_come_in_its_place(slurm: Slurm) -> None:
    compute = slurm_compute(slurm.host)
    (place,) = compute.hosts_for(1)
    sessions = [compute.open(place, run) for run in ("one", "two")]
    sessions[0].probe()
    first, second = (session.shared("a" * 64) for session in sessions)
    assert first is not None
    assert second is not None
    tree = [file("payload/bootstrap.sh", b"exit 3\n")]
    first.deliver(tree)
    assert second.is_there()

    first.clean()
    assert not first.is_there()
    first.deliver(tree)
    second.clean()  # which is slower, and still thinks of what both saw

    assert first.is_there()
    for session in sessions:
        session.close()


def test_a_payload_is_set_up_in_a_job_where_that_is_asked_for(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", 'cat where >"$2/answer"\n', bootstrap="hostname >process_payload/where\n")
    result = lab.go(sample, slurm_compute(slurm.host, bootstrap_in_job=True))
    assert answers(lab, result.name)["1"] in slurm.nodes


def test_a_bootstrap_that_fails_ends_the_run_with_its_words_and_is_tried_again_by_the_next(slurm: Slurm, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", ANSWER, bootstrap='[ -e "$HOME/compiler" ] || { echo "no compiler here" >&2; exit 4; }\n')
    with pytest.raises(RunFailed, match=r"bootstrap.sh failed on .* with exit code 4: no compiler here"):
        lab.go(sample, slurm_compute(slurm.host))
    (slurm.host.home / "compiler").touch()
    assert lab.go(sample, slurm_compute(slurm.host)).tasks.completed == 1
