"""Two at work in one folder on a host: a controller that died and the one after it, or two runs that share a payload."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.compute.resource import HostSession
from blocks.errors import CommandFailed
from blocks.remote import scripts
from blocks.remote.ends import parse_status
from blocks.remote.session import whole
from blocks.tree import Entry, file
from blocks.work import Batch, BatchStatus, TaskOrder
from tests.servers.sshd import SSHD
from tests.ssh.test_remote_protocol import become, begin, ended, session_on

pytestmark = pytest.mark.ssh

PAYLOAD = [file("payload/process_payload/main.sh", b"true\n")]
BUILD = 'cd ../../../payload && until [ -e "$HOME/go" ]; do sleep 0.1; done && echo >built\n'


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 250
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def set_up(session: HostSession, script: str = BUILD) -> None:
    session.probe()
    session.deliver(PAYLOAD)
    session.submit(Batch(scripts.BOOTSTRAP, 0, (TaskOrder(0, 1, -1, program=script),)), 1)


def is_set_up(session: HostSession) -> bool:
    return session.status([scripts.BOOTSTRAP])[0].ended == frozenset({0})


def folder_of(host: SSHD) -> Path:
    (folder,) = (host.home / "scratch").iterdir()
    return folder


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_payload_that_is_delivered_again_stays_as_its_bootstrap_makes_it(sshd: SSHD, moment: str) -> None:
    with session_on(sshd) as session:
        set_up(session)
        if moment == "after":
            (sshd.home / "go").touch()
            until(lambda: is_set_up(session))

        set_up(session)
        (sshd.home / "go").touch()
        until(lambda: is_set_up(session))

        (end,) = session.status([scripts.BOOTSTRAP])[0].ends
        assert end.exit_code == 0
        assert (folder_of(sshd) / "payload" / "built").exists()
        session.clean()


def test_a_bootstrap_that_failed_is_done_again_with_the_payload_that_is_delivered_then(sshd: SSHD) -> None:
    with session_on(sshd) as session:
        set_up(session, "exit 3\n")
        until(lambda: is_set_up(session))
        (sshd.home / "go").touch()

        set_up(session)
        until(lambda: is_set_up(session))

        (end,) = session.status([scripts.BOOTSTRAP])[0].ends
        assert end.exit_code == 0
        session.clean()


def test_a_delivery_that_was_given_up_moves_nothing_of_the_next_one(sshd: SSHD) -> None:
    """As one whose host fetches large inputs when its connection breaks: it lives on there."""
    slow = 'true >"$HOME/waits"; until [ -e "$HOME/go" ]; do sleep 0.1; done\n'
    failures: list[Exception] = []
    with session_on(sshd, "one") as first, session_on(sshd, "one") as second:
        first.probe()

        def deliver() -> None:
            try:
                first.ask(scripts.deliver("scratch", "one", "old", slow), whole([file("inputs/0/a", b"old")]))
            except CommandFailed as error:
                failures.append(error)

        def parts() -> list[Entry]:
            """Everything of the second delivery but its end is on the host when the first one goes on."""
            return [file("inputs/0/a", b"new"), file("inputs/0/b", b"new")]

        old = threading.Thread(target=deliver)
        old.start()
        until((sshd.home / "waits").exists)
        pause = 'true >"$HOME/go"; until [ -e "$HOME/gone" ]; do sleep 0.1; done\n'
        new = threading.Thread(target=lambda: second.ask(scripts.deliver("scratch", "one", "new", pause), whole(parts())))
        new.start()
        old.join(250)
        (sshd.home / "gone").touch()
        new.join(250)

        assert failures, "the first delivery said that it had arrived"
        inputs = sshd.home / "scratch" / "one" / "inputs" / "0"
        assert {path.name: path.read_text() for path in inputs.iterdir()} == {"a": "new", "b": "new"}
        second.clean()


@pytest.mark.parametrize("because", ["its batch has ended", "the host has booted since"])
def test_what_has_the_number_of_a_process_of_the_run_by_now_is_not_killed_with_it(sshd: SSHD, because: str) -> None:
    with session_on(sshd) as session:
        if because == "its batch has ended":
            ended(session, "true")
            until((folder_of(sshd) / "batches" / "b1" / "finished").exists)
        else:
            become(sshd, "same", "first")
            begin(session, "exec sleep 2000")
            until(lambda: "sleep 2000" in sshd.processes())
            subprocess.run(sshd.inside("pkill", "-KILL", "-f", "runner.sh|sleep 2000"), check=False)
            become(sshd, "same", "second")
        batch = folder_of(sshd) / "batches" / "b1"
        stranger = f"setsid sleep 1000 & echo $! >/home/lab/{(batch / 'runner').relative_to(sshd.home)}"
        subprocess.run(sshd.inside("su", "lab", "-c", stranger), check=True)
        for slot in batch.glob("slot/*"):
            if slot.read_text().split()[0] != "idle":
                slot.write_text(f"1 {(batch / 'runner').read_text().strip()} 0\n")

        session.clean()

        assert "sleep 1000" in sshd.processes()


def test_what_another_login_node_sets_up_is_judged_by_its_ticks(sshd: SSHD) -> None:
    def seen_by_others() -> BatchStatus:
        script = scripts.status("scratch", "shared", [scripts.BOOTSTRAP], anywhere=True)
        (status,) = parse_status(second.ask(script))
        return status

    with session_on(sshd, "shared") as first, session_on(sshd, "shared") as second:
        become(sshd, "login1", "first")
        set_up(first)
        become(sshd, "login2", "second")
        batch = folder_of(sshd) / "batches" / scripts.BOOTSTRAP
        (batch / "runner").write_text("4000000\n")  # a process of the other node, as this one has none of that number
        assert seen_by_others().alive

        (sshd.home / "go").touch()
        until(lambda: seen_by_others().ended == frozenset({0}))
        until((batch / "finished").exists)
        first.clean()


def test_what_another_login_node_was_setting_up_when_it_went_down_is_dead(sshd: SSHD) -> None:
    with session_on(sshd, "shared") as session:
        become(sshd, "login1", "first")
        set_up(session)
        until(lambda: any("runner.sh" in line for line in sshd.processes()))
        subprocess.run(sshd.inside("pkill", "-KILL", "-f", "runner.sh"), check=True)
        become(sshd, "login2", "second")
        (folder_of(sshd) / "batches" / scripts.BOOTSTRAP / "tick").write_text(f"{time.time() - 100:.0f}\n")

        (status,) = parse_status(session.ask(scripts.status("scratch", "shared", [scripts.BOOTSTRAP], anywhere=True)))

        assert not status.alive
