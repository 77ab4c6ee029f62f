"""Failed tasks, lost hosts, lost connections, full disks, time limits: each ends right, and says what happened."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from blocks.compute import LocalCompute
from blocks.errors import AuthenticationRefused, CommandFailed, HostKeyRefused, OutputsWait, RunCancelled, RunFailed, Unreachable
from blocks.storage import LocalStorage
from flows import Reliability, reaper
from flows.retry import forgive
from tests.engine import Lab, left_on, unix
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers import loopback
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD, make_key

pytestmark = pytest.mark.ssh

NOBODY = f"{loopback.HOSTS}.250"  # an address at which nothing answers
COUNT = 'echo "$CHIMINEY_TASK_ID" >>"$HOME/begun"\n'


def begun(host: SSHD) -> int:
    log = host.home / "begun"
    return len(log.read_text().split()) if log.exists() else 0


def test_a_failed_task_is_run_again_on_another_host(hosts: list[SSHD], tmp_path: Path) -> None:
    main = 'hostname >"$2/host"\n[ "$CHIMINEY_ATTEMPT" -gt 1 ] || { echo "no luck on $(hostname)" >&2; exit 3; }\n'
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path, main), unix(*hosts[:2], slots=1), sweep={"n": [1, 2, 3]})

    assert result.state == "completed"
    assert [task.attempt for task in lab.tasks(result)] == [2, 2, 2]
    for number in (1, 2, 3):
        first = next((lab.folder(result) / "failed_0").glob(f"{number}.1/host")).read_text()
        second = (lab.folder(result) / "output_0" / str(number) / "host").read_text()
        assert first != second
    assert (lab.folder(result) / "failed_0" / "1.1.stderr").read_text().startswith("no luck on")


def test_a_task_that_always_fails_is_given_up_and_named_with_its_error(hosts: list[SSHD], tmp_path: Path) -> None:
    main = '[ "$CHIMINEY_TASK_ID" != 2 ] || { echo "the matrix is singular" >&2; exit 3; }\necho fine >"$2/answer"\n'
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path, main), unix(hosts[0], slots=2), sweep={"n": [1, 2, 3]})

    assert result.state == "completed-with-failures"
    assert (result.tasks.completed, result.tasks.failed) == (2, 1)
    assert result.messages == ("task 2 failed with exit code 3: the matrix is singular",)
    failed = lab.tasks(result)[1]
    assert (failed.attempt, failed.exit_code) == (3, 3)


def test_with_rescheduling_off_a_failed_task_is_not_repeated(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    reliability = Reliability(reschedule_failed_processes=False)

    result = lab.go(
        connector(tmp_path, "exit $((CHIMINEY_TASK_ID % 2))"), unix(hosts[0]), sweep={"n": [1, 2]}, reliability=reliability
    )

    assert [(task.status, task.attempt) for task in lab.tasks(result)] == [("failed", 1), ("completed", 1)]


def test_a_run_of_which_no_task_succeeds_has_failed(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    with pytest.raises(RunFailed, match="no task succeeded; task 1 failed with exit code 3: cannot open the input"):
        lab.go(connector(tmp_path, "echo cannot open the input >&2; exit 3"), unix(hosts[0]))

    (record,) = lab.ledger.runs()
    assert (record.status, record.message.count("cannot open the input")) == ("failed", 1)
    assert list((hosts[0].home / ".chiminey").iterdir()) == []


def test_a_task_that_never_ends_is_stopped_at_its_time_limit_with_all_its_processes(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    reliability = Reliability(task_time_limit=2, maximum_retry=0)

    with pytest.raises(RunFailed, match="stopped at its time limit of 2 s"):
        lab.go(connector(tmp_path, "sleep 600 & (sleep 601 &) ; sleep 602"), unix(hosts[0]), reliability=reliability)

    assert left_on(hosts[0]) == []


def test_a_run_past_its_time_limit_is_ended(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    with pytest.raises(RunFailed, match="the run took longer than its limit of 20 s"):
        lab.go(connector(tmp_path, "setsid sleep 600"), unix(hosts[0]), reliability=Reliability(run_time_limit=20))

    assert left_on(hosts[0]) == []


def test_a_host_that_dies_mid_run_leaves_its_tasks_to_the_other(farm: Farm, tmp_path: Path) -> None:
    dying, living = farm(2)
    lab = Lab(tmp_path)
    gate = '[ "$CHIMINEY_TASK_ID" -le 40 ] || until [ -e "$HOME/go" ]; do sleep 0.1; done\n'

    def stop() -> None:
        dying.stop()
        (living.home / "go").touch()

    when(lambda: begun(dying) > 5, stop)

    result = lab.go(
        connector(tmp_path, f'{COUNT}sleep 0.2; echo "$CHIMINEY_TASK_ID" >"$2/answer"\n{gate}'),
        unix(dying, living, slots=2, lost_after=3),
        sweep={"n": list(range(60))},
    )

    assert (result.state, result.tasks.completed) == ("completed", 60)
    answers = {path.read_text().strip() for path in (lab.folder(result) / "output_0").glob("*/answer")}
    assert answers == {str(number) for number in range(1, 61)}
    assert any("is lost" in message for message in lab.view.messages)


def test_a_host_that_hangs_is_lost_and_its_tasks_go_elsewhere(farm: Farm, tmp_path: Path) -> None:
    hanging, living = farm(2)
    lab = Lab(tmp_path)
    when(lambda: begun(hanging) > 3, hanging.freeze)

    result = lab.go(
        connector(tmp_path, COUNT + "sleep 0.2"), unix(hanging, living, slots=2, lost_after=3), sweep={"n": list(range(40))}
    )

    assert result.tasks.completed == 40


def test_a_lost_connection_costs_nothing_but_a_new_one(hosts: list[SSHD], tmp_path: Path) -> None:
    (host, *_) = hosts
    lab = Lab(tmp_path)
    when(lambda: begun(host) > 3, host.kill_sessions)

    result = lab.go(connector(tmp_path, COUNT + "sleep 0.2"), unix(host, slots=2), sweep={"n": list(range(30))})

    assert result.tasks.completed == 30
    assert begun(host) == 30, "a task ran twice"


def test_a_task_whose_processes_are_killed_is_run_again(hosts: list[SSHD], tmp_path: Path) -> None:
    main = COUNT + '[ "$CHIMINEY_ATTEMPT" -gt 1 ] || kill -9 $$\n'
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path, main), unix(hosts[0]), sweep={"n": [1, 2]})

    assert [(task.attempt, task.status) for task in lab.tasks(result)] == [(2, "completed"), (2, "completed")]


def test_a_full_disk_on_the_host_is_named(farm: Farm, tmp_path: Path) -> None:
    (host,) = farm(1)
    host.limit_home(1_000_000)
    lab = Lab(tmp_path)

    with pytest.raises(CommandFailed, match=r"[Nn]o space left on device"):
        lab.go(connector(tmp_path, "true", files={"large": bytes(3_000_000)}), unix(host))


def test_a_payload_that_fills_the_disk_fails_with_that_reason(farm: Farm, tmp_path: Path) -> None:
    (host,) = farm(1)
    host.limit_home(4_000_000)
    lab = Lab(tmp_path)

    main = 'head -c 9000000 /dev/zero >"$2/large"'

    with pytest.raises(RunFailed, match="No space left on device"):
        lab.go(connector(tmp_path, main), unix(host), reliability=Reliability(maximum_retry=0))


def test_this_machine_is_not_lost_with_the_shell_that_listens_on_it(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    main = f"touch {tmp_path}/begun; until [ -e {tmp_path}/killed ]; do sleep 0.1; done"

    def kill_listener() -> None:
        (listener,) = scratch.glob("*/listener")
        os.kill(int(listener.read_text().split()[0]), signal.SIGKILL)
        (tmp_path / "killed").touch()

    when(lambda: (tmp_path / "begun").exists() and any(each.read_text() for each in scratch.glob("*/listener")), kill_listener)
    lab = Lab(tmp_path)
    compute = LocalCompute(scratch=str(scratch), slots=1)

    result = lab.go(connector(tmp_path / "c", main), compute, reliability=Reliability(maximum_retry=0))

    assert (result.state, [task.attempt for task in lab.tasks(result)]) == ("completed", [1])


FILLING = f'{COUNT}head -c 300000 /dev/urandom >"$2/data"; sleep 0.5\n'


def test_outputs_for_which_there_is_no_room_wait_on_their_hosts_and_no_task_runs_twice(
    hosts: list[SSHD], tmp_path: Path, small_disk: Path
) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", FILLING)
    compute = unix(*hosts[:2], slots=1)
    proposal = lab.request(sample, compute, sweep={"n": list(range(12))}, output=LocalStorage(path=str(small_disk)))
    record = lab.add(proposal)

    with pytest.raises(OutputsWait, match=f"disk is full.*wait on .*: chiminey resume {record.name}"):
        lab.drive(record, proposal)

    ended = lab.ledger.find(record.id)
    assert (ended.status, "chiminey resume" in ended.message) == ("failed", True)
    assert reaper.reap(lab.ledger, lab.find) == [], "what waits is not removed"
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    result = lab.drive(lab.ledger.find(record.id), proposal)

    assert (result.state, result.tasks.completed) == ("completed", 12)
    assert sum(map(begun, hosts[:2])) == 12, "a task ran twice"
    assert {task.attempt for task in lab.tasks(result)} == {1}
    for host in hosts[:2]:
        assert left_on(host) == []
        assert not list(host.home.glob(".chiminey/*"))


def test_outputs_that_wait_are_given_up_by_a_cancel(hosts: list[SSHD], tmp_path: Path, small_disk: Path) -> None:
    lab = Lab(tmp_path)
    compute = unix(hosts[0], slots=2)
    storage = LocalStorage(path=str(small_disk))
    proposal = lab.request(connector(tmp_path / "c", FILLING), compute, sweep={"n": list(range(8))}, output=storage)
    record = lab.add(proposal)
    with pytest.raises(OutputsWait):
        lab.drive(record, proposal)
    assert list(hosts[0].home.glob(".chiminey/*"))

    assert reaper.cancel(lab.ledger, lab.ledger.find(record.id), lab.find).endswith("given up: cleaned up")

    assert left_on(hosts[0]) == []
    assert not list(hosts[0].home.glob(".chiminey/*"))
    assert "there is nothing to cancel" in reaper.cancel(lab.ledger, lab.ledger.find(record.id), lab.find)


def test_an_unreachable_host_is_refused_in_a_sentence(hosts: list[SSHD], tmp_path: Path) -> None:
    compute = unix(hosts[0])
    compute.hosts = [f"lab@{NOBODY}:2222"]
    lab = Lab(tmp_path)

    with pytest.raises(Unreachable, match=re.escape(NOBODY)):
        lab.go(connector(tmp_path, "true"), compute)


def test_one_unreachable_host_of_two_is_left_out(hosts: list[SSHD], tmp_path: Path) -> None:
    compute = unix(hosts[0])
    compute.hosts = [*compute.hosts, f"lab@{NOBODY}:2222"]
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path, "true"), compute, sweep={"n": [1, 2, 3]})

    assert result.tasks.completed == 3
    assert any("is left out" in message for message in lab.view.messages)


def test_a_wrong_key_is_refused_in_a_sentence(hosts: list[SSHD], tmp_path: Path) -> None:
    make_key(tmp_path / "wrong")
    compute = unix(hosts[0])
    compute.private_key_file = str(tmp_path / "wrong")

    with pytest.raises(AuthenticationRefused, match="lab"):
        Lab(tmp_path).go(connector(tmp_path, "true"), compute)


def test_a_changed_host_key_is_refused_in_a_sentence(hosts: list[SSHD], tmp_path: Path) -> None:
    compute = unix(hosts[0])
    address = hosts[0].host_key_line.split()[0]
    compute.host_keys = [f"{address} {' '.join(hosts[1].host_key_line.split()[1:])}"]

    with pytest.raises(HostKeyRefused):
        Lab(tmp_path).go(connector(tmp_path, "true"), compute)


def test_a_cancelled_run_leaves_nothing_and_can_be_resumed(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", COUNT + '[ -e "$HOME/go" ] || sleep 600; echo done >"$2/answer"')
    proposal = lab.request(sample, unix(hosts[0], slots=2), sweep={"n": [1, 2, 3]})
    record = lab.add(proposal)
    when(lambda: begun(hosts[0]) == 2, lambda: lab.ledger.request_cancel(record.id))

    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)

    assert left_on(hosts[0]) == []
    assert [task.status for task in lab.ledger.tasks(record.id)] == ["pending"] * 3
    (hosts[0].home / "go").touch()

    result = lab.drive(record, proposal)

    assert (result.state, result.tasks.completed) == ("completed", 3)


def test_a_retry_runs_again_only_what_failed_with_all_its_attempts(hosts: list[SSHD], tmp_path: Path) -> None:
    main = (
        COUNT + '[ "$CHIMINEY_TASK_ID" != 2 ] || [ -e "$HOME/mended" ] || { echo broken >&2; exit 3; }\necho fine >"$2/answer"\n'
    )
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "c", main), unix(hosts[0], slots=2), sweep={"n": [1, 2, 3]})
    record = lab.add(proposal)
    assert lab.drive(record, proposal).state == "completed-with-failures"
    assert begun(hosts[0]) == 2 + 3
    ended = lab.ledger.find(record.id)

    assert forgive(lab.ledger, ended) == 1
    assert lab.drive(ended, proposal).state == "completed-with-failures"
    assert begun(hosts[0]) == 2 + 3 + 3, "a new retry has as many attempts as the first"
    (hosts[0].home / "mended").touch()
    assert forgive(lab.ledger, lab.ledger.find(record.id)) == 1
    result = lab.drive(record, proposal)

    assert (result.state, result.tasks.completed) == ("completed", 3)
    assert begun(hosts[0]) == 2 + 3 + 3 + 1
    assert sorted(path.parent.name for path in (lab.folder(result) / "output").glob("*/answer")) == ["1", "2", "3"]
    assert sorted(path.name for path in (lab.folder(result) / "failed_0").glob("*.stderr")) == [
        f"2.{n}.stderr" for n in range(1, 7)
    ]


def test_of_five_hundred_tasks_those_that_fail_at_first_all_complete(hosts: list[SSHD], tmp_path: Path) -> None:
    main = '[ "$CHIMINEY_ATTEMPT" -gt 1 ] || [ $((CHIMINEY_TASK_ID % 10)) != 3 ] || exit 9\necho fine >"$2/answer"\n'
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path, main), unix(*hosts, slots=2), sweep={"n": list(range(500))})

    assert (result.state, result.tasks.completed) == ("completed", 500)
    assert {task.attempt for task in lab.tasks(result) if task.id % 10 == 3} == {2}


def test_a_task_that_removes_the_folders_of_all_tasks_fails_and_nothing_of_it_stays(hosts: list[SSHD], tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="no trace of it"):
        Lab(tmp_path).go(
            connector(tmp_path, "cd .. && rm -rf ./*"),
            unix(hosts[0]),
            reliability=Reliability(maximum_retry=0, run_time_limit=280),
        )

    assert left_on(hosts[0]) == []


def test_outputs_that_may_not_be_read_cost_their_own_task_only(hosts: list[SSHD], tmp_path: Path) -> None:
    """As sudo or docker leave them: files of another user, in a folder whose content the login user may not remove either."""
    (host, *_) = hosts
    main = (
        'echo fine >"$2/answer"; [ "$CHIMINEY_TASK_ID" = 3 ] || exit 0; mkdir "$2/theirs"\n'
        'touch "$HOME/made"; until [ -e "$HOME/given" ]; do sleep 0.1; done\n'
    )

    def give_away() -> None:
        (theirs,) = host.home.glob(".chiminey/*/batches/*/3/chiminey_output/theirs")
        (theirs / "secret").touch()
        (theirs / "secret").chmod(0o600)
        shutil.chown(theirs, "root")
        (host.home / "given").touch()

    when((host.home / "made").exists, give_away)
    lab = Lab(tmp_path)

    result = lab.go(
        connector(tmp_path, main), unix(host, slots=2), sweep={"n": list(range(8))}, reliability=Reliability(maximum_retry=0)
    )

    assert (result.state, result.tasks.completed) == ("completed-with-failures", 7)
    assert [task.id for task in lab.tasks(result) if task.status == "failed"] == [3]
    assert "outputs could not be read" in result.messages[0]
    assert "3/chiminey_output/theirs" in result.messages[0]
    assert not (lab.folder(result) / "output_0" / "3").exists()
    assert any("may still hold files" in message for message in lab.view.messages)


DEEP = 'cd "$2"; for level in $(seq 40); do name=$(printf "%0100d" 0); mkdir "$name" && cd "$name" || exit; done; echo deep >file'
OWN_TASK_ONLY = {
    "a path too long for the results' disk": (DEEP, "a name is too long"),
    "a link that leads where nobody may go": ('rm -rf "$2"; ln -s /root "$2"', "outputs could not be read"),
}


@pytest.mark.parametrize(("mischief", "told"), OWN_TASK_ONLY.values(), ids=OWN_TASK_ONLY.keys())
def test_what_a_task_does_in_its_folder_costs_no_other(mischief: str, told: str, hosts: list[SSHD], tmp_path: Path) -> None:
    main = f'echo fine >"$2/answer"; [ "$CHIMINEY_TASK_ID" = 2 ] || exit 0\n{mischief}\n'
    lab = Lab(tmp_path)

    result = lab.go(
        connector(tmp_path, main), unix(hosts[0], slots=2), sweep={"n": [1, 2, 3]}, reliability=Reliability(maximum_retry=0)
    )

    assert [task.status for task in lab.tasks(result)] == ["completed", "failed", "completed"]
    assert told in result.messages[0]


def test_a_run_that_completed_just_before_it_was_resumed_is_not_gone_over_again(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path, COUNT), unix(hosts[0]))
    seen_at_work = lab.add(proposal)
    first = lab.drive(seen_at_work, proposal)
    (lab.folder(first) / "run.json").unlink()
    lab.view.stages.clear()

    assert lab.drive(seen_at_work, proposal) == first
    assert lab.view.stages == []
    assert not (lab.folder(first) / "run.json").exists()
