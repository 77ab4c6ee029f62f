"""What a run does on a host over SSH, and what the host's own ways make of it."""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from blocks.errors import CommandFailed, Unreachable
from blocks.host_session import HostSession
from blocks.remote.session import RunnerSession
from blocks.selection import Selection
from blocks.transport.ssh import SSHTransport
from blocks.tree import Entry, file
from blocks.work import Batch, Cause, TaskOrder
from tests.engine import left_on
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD, USER_ID
from tests.ssh.access import access_to, destination

pytestmark = pytest.mark.ssh

OWN_PROGRAMS = 'PATH="$HOME/bin:$PATH"\n'
SIMPLE_TAR = """#!/bin/bash
for word do case $word in {unknown}) echo "tar: unrecognized option" >&2; exit 1 ;; esac; done
exec /bin/tar "$@"
"""
FAILING_TAR = """#!/bin/bash
case $* in *--hard-dereference*) exit 1 ;; esac
[ "$1" = cf ] || exec /bin/tar "$@"
/bin/tar "$@"
echo "tar: a file can not be read" >&2
exit 1
"""


def program(host: SSHD, name: str, text: str) -> None:
    """A program of the user's own, which goes before the host's."""
    path = host.home / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@contextmanager
def session_on(host: SSHD, run: str = "", scratch: str = "scratch", silence: float = 30.0) -> Generator[RunnerSession]:
    """A session of a run; processes of different hosts are told apart by its id, if at all."""
    run = run or secrets.token_hex(5)
    session = RunnerSession(SSHTransport(destination(host), access_to(host), silence), run, scratch)
    try:
        yield session
    finally:
        session.close()


def replace_file(host: SSHD, place: str, text: str) -> None:
    """Lay another content over a file of the host, until it stops."""
    name = f"file-{len(list(host.home.glob('file-*')))}"
    (host.home / name).write_text(text)
    subprocess.run(host.inside("mount", "--bind", f"/home/{host.user}/{name}", place), check=True)


def become(host: SSHD, name: str, boot: str) -> None:
    """From now on whoever logs in to the host finds another name, and the mark of another boot."""
    subprocess.run(host.inside("hostname", name), check=True)
    replace_file(host, "/proc/sys/kernel/random/boot_id", f"{boot}\n")


def begin(session: HostSession, main: str) -> None:
    session.probe()
    session.deliver([file("payload/process_payload/main.sh", main.encode())])
    session.submit(Batch("b1", 0, (TaskOrder(1, 1, -1),)), 1)


def at_work(session: HostSession, host: SSHD, command: str) -> None:
    """Begin a task, and wait until its command runs."""
    begin(session, f"exec {command}")
    deadline = time.monotonic() + 250
    while command not in host.processes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(session: HostSession, main: str) -> HostSession:
    """The session, when a task has run there to its end."""
    begin(session, main)
    while not session.status(["b1"])[0].ended:
        time.sleep(0.1)
    return session


def outputs(session: HostSession) -> dict[str, tuple[Entry, bytes]]:
    return {entry.path: (entry, b"".join(entry.blocks())) for _, entry in session.fetch("b1", [1], Selection())}


def test_as_many_tasks_run_at_once_as_there_are_processors_that_the_user_may_have(farm: Farm) -> None:
    (host,) = farm(1, bashrc="taskset -c -p 0 $$ >/dev/null; export OMP_NUM_THREADS=64 OMP_THREAD_LIMIT=64\n")
    with session_on(host) as session:
        assert session.probe().slots == 1


def test_what_a_task_writes_is_as_open_as_the_users_umask_says_and_the_runs_folder_is_closed(farm: Farm) -> None:
    (host,) = farm(1, bashrc="umask 027\n")
    with session_on(host) as session:
        found = outputs(ended(session, 'cd "$2"; umask; touch file; mkdir folder; echo >"$HOME/shared"'))

        assert (found["output/file"][0].mode, found["output/folder"][0].mode) == (0o640, 0o750)
        assert (host.home / "shared").stat().st_mode & 0o777 == 0o640
        (folder,) = (host.home / "scratch").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700


def test_what_a_task_writes_belongs_to_the_group_of_the_scratch_folder(sshd: SSHD) -> None:
    replace_file(sshd, "/etc/group", f"project:x:50000:{sshd.user}\n")
    scratch = sshd.home / "scratch"
    scratch.mkdir()
    os.chown(scratch, USER_ID, 50000)
    scratch.chmod(0o2770)
    with session_on(sshd) as session:
        ended(session, 'cd "$2"; mkdir folder; echo >folder/file; cp -R ../../../../payload payload; echo >payload/file')
        (output,) = scratch.glob("*/batches/b1/1/chiminey_output")
        assert {path.stat().st_gid for path in (output, *output.rglob("*"))} == {50000}


def test_a_tar_other_than_gnus_that_could_not_read_everything_is_not_believed(farm: Farm) -> None:
    (host,) = farm(1, bashrc=OWN_PROGRAMS)
    program(host, "tar", FAILING_TAR)
    with session_on(host) as session:
        ended(session, 'echo >"$2/file"')
        with pytest.raises(CommandFailed, match="a file can not be read"):
            outputs(session)


@pytest.mark.parametrize("unknown", ["--hard-dereference", "--hard-dereference|-T"])
def test_a_file_of_two_names_comes_twice_also_from_a_tar_that_would_send_it_once(farm: Farm, unknown: str) -> None:
    (host,) = farm(1, bashrc=OWN_PROGRAMS)
    program(host, "tar", SIMPLE_TAR.format(unknown=unknown))
    with session_on(host) as session:
        ended(session, 'cd "$2"; echo one >a; chmod 600 a; mkdir "its name"; ln a "its name/b"; ln a c')
        found = outputs(session)

    files = {path: (entry.mode, content) for path, (entry, content) in found.items() if entry.kind == "file"}
    assert files == dict.fromkeys(("output/a", "output/c", "output/its name/b"), (0o600, b"one\n"))


def test_a_batch_on_another_node_of_the_same_name_is_not_taken_for_dead_and_nothing_here_is_signalled(sshd: SSHD) -> None:
    become(sshd, "login1", "first")
    with session_on(sshd) as session:
        at_work(session, sshd, "sleep 1000")
        become(sshd, "login2", "second")
        for act in (
            lambda: session.status(["b1"]),
            lambda: session.fence(["b1"]),
            lambda: session.submit(Batch("b2", 0, (TaskOrder(2, 1, -1),)), 1),
            session.clean,
        ):
            with pytest.raises(Unreachable, match="is login2 now, but its tasks were begun on login1; please name login1"):
                act()
        assert "sleep 1000" in sshd.processes()

        become(sshd, "login1", "first")  # as the next connection may lead to
        assert session.status(["b1"])[0].alive
        assert not session.fence(["b1"])[0].alive
        assert "sleep 1000" not in sshd.processes()

        become(sshd, "login2", "second")
        session.clean()  # for nothing of it runs anywhere
        assert list((sshd.home / "scratch").iterdir()) == []


def test_what_cleans_up_after_a_run_spares_runs_whose_ids_go_on_like_its_own(sshd: SSHD) -> None:
    with session_on(sshd, "s-1") as first, session_on(sshd, "s-12") as second:
        for session in (first, second):
            begin(session, "exec sleep 1000")
        while sum(line == "sleep 1000" for line in sshd.processes()) < 2:
            time.sleep(0.1)

        first.clean()

        assert [line for line in sshd.processes() if line == "sleep 1000"] == ["sleep 1000"]
        assert second.status(["b1"])[0].alive
        second.clean()
    assert left_on(sshd) == []


def test_a_batch_may_have_more_tasks_than_one_command_takes_names(farm: Farm) -> None:
    (host,) = farm(1, bashrc="ulimit -s 256\n")  # and so no more than 128 KB of arguments
    with session_on(host) as session:
        session.probe()
        session.deliver([])
        session.submit(Batch("b1", 0, tuple(TaskOrder(number, 1, -1, program="sleep 1000") for number in range(1, 6001))), 1)
        assert session.status(["b1"])[0].alive
        assert list((host.home / "scratch").glob("*/batches/b1/6000/main.sh"))
        session.clean()


def test_a_limit_below_a_second_is_one(sshd: SSHD) -> None:
    with session_on(sshd) as session:
        session.probe()
        session.deliver([])
        session.submit(Batch("b1", 0, (TaskOrder(1, 1, -1, program="exec sleep 1000"),), time_limit=0.3), 1)
        while not (status := session.status(["b1"])[0]).ends:
            time.sleep(0.1)
        assert status.ends[0].cause is Cause.TIME
        session.clean()


def test_a_host_whose_name_changes_is_the_same_until_it_boots_and_by_its_name_afterwards(sshd: SSHD) -> None:
    become(sshd, "laptop.home", "first")
    with session_on(sshd) as session:
        begin(session, "sleep 100")
        become(sshd, "laptop-17.work", "first")
        assert session.status(["b1"])[0].alive
        become(sshd, "laptop.work", "second")
        assert session.status(["b1"])[0].alive
        session.clean()


def test_a_runner_that_stood_still_with_its_host_for_a_minute_is_not_taken_for_dead(sshd: SSHD) -> None:
    with session_on(sshd) as session:
        begin(session, "exec sleep 1000")
        (tick,) = sshd.home.glob("scratch/*/batches/b1/tick")
        for _ in range(5):
            tick.write_text(f"{time.time() - 100:.0f}\n")
            assert session.status(["b1"])[0].alive
        session.clean()


def test_a_batch_that_another_connection_is_just_beginning_is_not_taken_for_dead(farm: Farm) -> None:
    (host,) = farm(1, bashrc=OWN_PROGRAMS)
    program(host, "date", '#!/bin/sh\nuntil [ -e "$HOME/go" ]; do sleep 0.1; done\nexec /bin/date "$@"\n')
    with session_on(host, "shared") as first, session_on(host, "shared") as second:
        first.probe()
        first.deliver([])
        order = TaskOrder(1, 1, -1, program="exec sleep 1000")
        beginning = threading.Thread(target=first.submit, args=(Batch("b1", 0, (order,)), 1))
        beginning.start()
        folder = host.home / "scratch/shared/batches/b1"
        while not folder.exists():
            time.sleep(0.05)
        assert second.status(["b1"])[0].alive

        (host.home / "go").touch()
        beginning.join()
        assert second.status(["b1"])[0].alive
        first.clean()


def test_a_batch_whose_beginning_ended_with_its_host_is_dead(sshd: SSHD) -> None:
    with session_on(sshd, "shared") as session:
        session.probe()
        session.deliver([])
        script = "cd scratch/shared; mkdir batches/b1 arriving-b1-1; touch -d '10 minutes ago' arriving-b1-1"
        subprocess.run(sshd.inside("su", "lab", "-c", f"cd; {script}"), check=True)
        assert not session.status(["b1"])[0].alive
        session.clean()


def test_a_process_that_has_only_the_id_of_a_runner_is_no_runner(sshd: SSHD) -> None:
    with session_on(sshd) as session:
        at_work(session, sshd, "sleep 1000")
        (runner,) = sshd.home.glob("scratch/*/batches/b1/runner")
        subprocess.run(sshd.inside("pkill", "-KILL", "-f", "runner.sh"), check=True)
        subprocess.run(sshd.inside("sh", "-c", f"sleep 1000 & echo $! >/home/lab/{runner.relative_to(sshd.home)}"), check=True)
        runner.with_name("tick").write_text(f"{time.time() - 100:.0f}\n")
        assert not session.status(["b1"])[0].alive
        session.clean()


def test_a_host_that_is_long_at_work_on_what_was_asked_is_not_taken_for_lost(farm: Farm) -> None:
    (host,) = farm(1, bashrc=OWN_PROGRAMS)
    with session_on(host) as session:
        ended(session, 'echo >"$2/file"')
    (folder,) = (host.home / "scratch").iterdir()
    with session_on(host, folder.name, silence=15.0) as session:
        program(host, "find", '#!/bin/sh\nsleep 17\nexec /usr/bin/find "$@"\n')
        program(host, "rm", '#!/bin/sh\n[ "$1" != -rf ] || sleep 17\nexec /bin/rm "$@"\n')

        assert "output/file" in outputs(session)
        session.clean()
    assert list((host.home / "scratch").iterdir()) == []
    assert left_on(host) == []
