"""SSHTransport: scripts on real SSH servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from blocks.errors import ChannelRefused, CommandFailed, Unreachable
from blocks.transport import ssh
from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_config import Hop
from blocks.transport.ssh_connection import Connection, connect
from blocks.transport.transport import Stream
from blocks.tree import BLOCK, file, pack, unpack
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD
from tests.ssh.access import access_to, destination

pytestmark = pytest.mark.ssh
AWKWARD = "quote ' and \" and ` $HOME \\ \\n \\0101 %s %% é ☃ ~ !x; & | tab\tend"


@contextmanager
def connection(host: SSHD, silence: float = 30.0) -> Generator[SSHTransport]:
    transport = SSHTransport(destination(host), access_to(host), silence)
    try:
        yield transport
    finally:
        transport.close()


@pytest.fixture
def host(hosts: list[SSHD]) -> Iterator[SSHTransport]:
    with connection(hosts[0]) as transport:
        yield transport


def test_a_script_gives_its_output_from_the_users_home(host: SSHTransport) -> None:
    assert host.run("hostname; pwd") == b"n1\n/home/lab\n"


def test_many_scripts_share_one_connection(hosts: list[SSHD], host: SSHTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.transport.ssh_channels.PATIENCE", 120.0)  # also where the whole machine stands still
    for number in range(20):
        assert host.run(f"echo {number}") == b"%d\n" % number
    assert hosts[0].connections() == 1
    assert host.round_trips == 20


def test_nothing_is_connected_before_a_script_is_run(hosts: list[SSHD]) -> None:
    SSHTransport(destination(hosts[0]), access_to(hosts[0])).close()
    assert hosts[0].connections() == 0


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/dash", "/bin/tcsh"])
def test_a_script_arrives_unchanged_through_any_login_shell(farm: Farm, shell: str) -> None:
    with connection(farm(1, shell=shell)[0]) as transport:
        assert transport.run(f"cat <<'END'\n{AWKWARD}\n\nEND\n").decode() == AWKWARD + "\n\n"


def test_what_the_bashrc_prints_is_not_output(farm: Farm) -> None:
    with connection(farm(1, bashrc="echo Welcome; seq 5000; printf 'no newline'")[0]) as transport:
        assert transport.run("echo mine") == b"mine\n"


def test_an_account_without_a_shell_is_told_in_its_own_words(farm: Farm) -> None:
    with (
        connection(farm(1, shell="/usr/sbin/nologin")[0]) as transport,
        pytest.raises(CommandFailed, match="not available"),
    ):
        transport.run("echo mine")


@pytest.mark.parametrize("shell", ["bash", "dash", "tcsh"])
def test_a_bashrc_that_goes_on_with_another_shell_runs_nothing_of_what_is_sent(farm: Farm, shell: str) -> None:
    (host,) = farm(1, bashrc=f"exec {shell}\n")
    with connection(host) as transport, pytest.raises(CommandFailed, match="login shell ended without running anything"):
        transport.run("touch of-the-script", [b"touch of-the-data\n"])
    assert [path.name for path in host.home.iterdir()] == [".bashrc"]


def test_what_reads_the_first_line_before_the_script_is_noticed(farm: Farm) -> None:
    (host,) = farm(1, bashrc="read -r answer\n")
    with connection(host) as transport, pytest.raises(CommandFailed, match="login shell ended without running anything"):
        transport.run("touch of-the-script", [b"touch of-the-data\n"])
    assert [path.name for path in host.home.iterdir()] == [".bashrc"]


def test_variables_by_which_commands_print_something_else_are_not_heeded(farm: Farm) -> None:
    (host,) = farm(1, bashrc="export GREP_OPTIONS=-c CDPATH=/tmp TAR_OPTIONS=--verbose\n")
    with connection(host) as transport:
        assert transport.run('echo "$GREP_OPTIONS$CDPATH$TAR_OPTIONS $COPYFILE_DISABLE"') == b" 1\n"


def test_an_exit_code_comes_back_with_output_and_errors(host: SSHTransport) -> None:
    stream = host.open("echo out; echo oops >&2; exit 7")
    result = stream.wait()
    stream.close()
    assert (result.exit_code, result.output, result.errors) == (7, b"out\n", "oops\n")


def test_a_failed_script_raises_its_own_words(host: SSHTransport) -> None:
    with pytest.raises(CommandFailed, match="no space left"):
        host.run("echo no space left >&2; exit 1")


def test_signs_of_life_among_the_words_of_a_failed_script_are_left_out(host: SSHTransport) -> None:
    with pytest.raises(CommandFailed) as failed:
        host.run("echo >&2; echo no such >&2; echo >&2; echo thing >&2; exit 1")
    assert str(failed.value).endswith(": no such\nthing")


def test_a_script_that_says_something_on_standard_error_is_not_lost(hosts: list[SSHD]) -> None:
    with connection(hosts[0], silence=15.0) as transport:
        assert transport.run("for each in $(seq 17); do sleep 1; echo >&2; done; echo done") == b"done\n"
    with connection(hosts[0], silence=2.0) as transport, pytest.raises(Unreachable, match="said nothing for 2 seconds"):
        transport.run("echo >&2; sleep 600")


STAND_STILL = """
import sys
from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess
destination, access = sys.argv[1:]
transport = SSHTransport(destination, SSHAccess.model_validate_json(access), silence=12.0)
stream = transport.open('echo on; until [ -e "$HOME/go" ]; do sleep 0.1; done; echo done')
print(stream.read(100).decode().strip(), flush=True)
print(stream.read(100).decode().strip(), flush=True)
transport.close()
"""


def test_a_time_in_which_all_stood_still_is_not_taken_for_the_hosts_silence(sshd: SSHD) -> None:
    command = [sys.executable, "-c", STAND_STILL, destination(sshd), access_to(sshd).model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "on\n"
        sshd.freeze()
        client.send_signal(signal.SIGSTOP)
        time.sleep(13)
        client.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        (sshd.home / "go").touch()
        sshd.thaw()
        assert client.stdout.readline() == "done\n"


def test_errors_without_end_do_not_stop_a_script(host: SSHTransport) -> None:
    stream = host.open("yes error | head -c 9000000 >&2; echo last >&2; echo done")
    result = stream.wait()
    stream.close()
    assert (result.output, len(result.errors), result.errors[-5:]) == (b"done\n", 16 * 1024, "last\n")


def test_megabytes_in_and_out_at_once_do_not_deadlock(host: SSHTransport) -> None:
    data = os.urandom(20_000_000)
    assert host.run("cat", [data]) == data


def test_input_that_an_ended_script_will_not_read_is_dropped(host: SSHTransport) -> None:
    assert host.run("echo done", [bytes(BLOCK)] * 40) == b"done\n"


def test_polling_tells_whether_there_is_something_to_read(host: SSHTransport) -> None:
    stream = host.open("read -r line; echo heard")
    assert not stream.poll(0.05)
    stream.write(b"hello\n")
    assert stream.poll(60)
    assert stream.read(3) == b"hea"
    assert stream.poll(0)
    assert stream.read(100) == b"rd\n"
    assert stream.poll(60)
    assert stream.read(100) == b""
    stream.close()
    stream.close()


def test_a_tree_of_a_thousand_files_survives_the_way_in_and_out(host: SSHTransport) -> None:
    tree = [file(f"f{number}", b"%d" % number * 1000) for number in range(1000)]
    host.run("mkdir tree && cd tree && exec tar -xf -", pack(tree))
    stream = host.open("cd tree && exec tar -cf - .")
    back = {entry.path: b"".join(entry.blocks()) for entry in unpack(stream)}
    stream.close()
    assert back == {entry.path: entry.content for entry in tree}


def test_sftp_uses_the_same_connection(hosts: list[SSHD], host: SSHTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.transport.ssh_channels.PATIENCE", 120.0)  # also where the whole machine stands still
    host.run("echo hello > file")
    client = host.sftp()
    assert client.stat("file").st_size == 6
    client.close()
    assert hosts[0].connections() == 1


def test_a_host_without_sftp_says_so(farm: Farm) -> None:
    with connection(farm(1, sftp=False)[0]) as transport:
        assert transport.run("echo works") == b"works\n"
        with pytest.raises(Unreachable, match="offers no SFTP"):
            transport.sftp()


def test_more_threads_than_channels_take_turns(host: SSHTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = list[bytes]()
    connections = list[Connection]()
    alive_besides = list[Connection]()

    def watched(hops: list[Hop], access: SSHAccess) -> Connection:
        alive_besides.extend(connection for connection in connections if connection.is_alive())
        connections.append(connect(hops, access))
        return connections[-1]

    monkeypatch.setattr(ssh, "connect", watched)

    def ask() -> None:
        for _ in range(10):
            try:
                answers.append(host.run("echo x"))
            except Unreachable:  # the whole machine stood still for longer than anybody waits
                answers.append(host.run("echo x"))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"x\n"] * 120
    assert alive_besides == []  # however often the machine stood still, one was given up before the next was made


def test_one_session_at_a_time_is_enough(farm: Farm) -> None:
    with connection(farm(1, config="MaxSessions 1\n")[0]) as transport:
        answers = list[bytes]()
        threads = [threading.Thread(target=lambda: answers.extend(transport.run("echo x") for _ in range(10))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [b"x\n"] * 30


def test_a_session_that_stays_open_makes_the_next_refused(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    with connection(farm(1, config="MaxSessions 1\n")[0]) as transport:
        long = transport.open("echo on; read -r line; echo off")
        assert long.read(100) == b"on\n"
        with monkeypatch.context() as impatience:
            impatience.setattr("blocks.transport.ssh_channels.PATIENCE", 15.0)
            with pytest.raises(ChannelRefused, match="MaxSessions"):
                transport.run("echo x")
        long.write(b"\n")
        assert long.read(100) == b"off\n"
        assert long.wait().exit_code == 0
        long.close()
        assert transport.run("echo x") == b"x\n"


def test_a_server_without_sessions_refuses_at_once(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.transport.ssh_channels.PATIENCE", 1000.0)
    with connection(farm(1, config="MaxSessions 0\n")[0]) as transport:
        started = time.monotonic()
        with pytest.raises(ChannelRefused):
            transport.run("echo x")
        assert time.monotonic() - started < 500


@pytest.mark.parametrize("script", ["sleep 100", "cat /dev/zero", "cat >/dev/null"])
def test_a_killed_session_is_noticed_at_once_and_opened_again(sshd: SSHD, script: str) -> None:
    with connection(sshd) as transport:
        stream = transport.open(script)
        threading.Timer(0.3, sshd.kill_sessions).start()
        started = time.monotonic()
        with pytest.raises(Unreachable):
            _use(stream, "write" if script == "cat >/dev/null" else "read")
        assert time.monotonic() - started < 25  # and not only when it has been silent for too long
        stream.close()
        assert transport.run("echo again") == b"again\n"


def _use(stream: Stream, verb: str) -> None:
    """Read or write for as long as it goes."""
    while True:
        if verb == "write":
            stream.write(bytes(BLOCK))
        elif not stream.read(BLOCK):
            return


def test_a_dead_host_is_unreachable_and_works_again_when_it_is_back(sshd: SSHD) -> None:
    with connection(sshd) as transport:
        stream = transport.open("sleep 100")
        sshd.stop()
        with pytest.raises(Unreachable, match="broke"):
            stream.wait()
        with pytest.raises(Unreachable, match="refused the connection"):
            transport.run("echo x")
        sshd.start()
        assert transport.run("echo back") == b"back\n"


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_frozen_host_is_unreachable_after_the_silence(sshd: SSHD, verb: str) -> None:
    with connection(sshd, silence=5.0) as transport:
        stream = transport.open("echo on; cat >/dev/null")
        assert stream.read(100) == b"on\n"
        sshd.freeze()
        assert not stream.poll(0.2)
        started = time.monotonic()
        with pytest.raises(Unreachable, match="5 seconds"):
            _use(stream, verb)
        assert 4.9 < time.monotonic() - started < 60
        stream.close()
        sshd.thaw()
        assert transport.run("echo thawed") == b"thawed\n"


def test_a_frozen_host_lets_no_new_script_in(sshd: SSHD, monkeypatch: pytest.MonkeyPatch) -> None:
    with connection(sshd) as transport:
        transport.run("true")
        sshd.freeze()
        with monkeypatch.context() as impatience:
            impatience.setattr("blocks.transport.ssh_channels.PATIENCE", 1.0)
            impatience.setattr("blocks.transport.ssh_connection.PATIENCE", 1.0)
            with pytest.raises(Unreachable):
                transport.run("echo x")
            with pytest.raises(Unreachable, match="did not answer as an SSH server does"):
                transport.run("echo x")
        sshd.thaw()
        assert transport.run("echo thawed") == b"thawed\n"


def test_a_script_that_is_killed_there_is_not_taken_for_ended(host: SSHTransport) -> None:
    with pytest.raises(Unreachable):
        host.run("kill -KILL $$")


def test_threads_that_wait_for_a_failed_connection_share_its_failure(sshd: SSHD) -> None:
    sshd.stop()
    with connection(sshd) as transport:
        failures = list[str]()

        def ask() -> None:
            try:
                transport.run("true")
            except Unreachable as error:
                failures.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failures) == 6


def test_an_account_that_only_allows_sftp_is_told_from_a_broken_connection(farm: Farm) -> None:
    with connection(farm(1, config="ForceCommand internal-sftp\n")[0]) as transport:
        with pytest.raises(CommandFailed, match="without running anything"):
            transport.run("echo x")
        assert transport.sftp().listdir(".") == []


def test_a_server_that_turns_away_whom_it_has_no_time_for_is_asked_again(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """One login at a time is few: somebody else's, which takes a second, is in the way of ours."""
    monkeypatch.setattr("blocks.transport.ssh_connection.RUSH", 60.0)
    host = farm(1, config="MaxStartups 1\n")[0]
    with socket.create_connection((host.address, host.port)) as slow, connection(host) as transport:
        assert slow.recv(100)  # greeted, and not logged in yet
        threading.Timer(1.0, slow.shutdown, [socket.SHUT_RDWR]).start()
        assert transport.run("echo here") == b"here\n"


def test_a_server_that_turns_everybody_away_is_given_up_within_seconds(farm: Farm) -> None:
    host = farm(1, config="MaxStartups 1\n")[0]
    with socket.create_connection((host.address, host.port)) as slow, connection(host) as transport:
        assert slow.recv(100)
        with pytest.raises(Unreachable, match="it may be busy"):
            transport.run("true")
