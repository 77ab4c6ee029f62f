"""The servers that other tests rely on do what they promise."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine import left_on
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD

pytestmark = pytest.mark.ssh


def finish(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with nothing to read."""
    variables = os.environ | environment
    return subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=variables
    )


def ssh(host: SSHD, command: str, *options: str) -> list[str]:
    """The words of the ssh program that runs ``command`` on the host."""
    known = [f"-oUserKnownHostsFile={host.known_hosts}", "-oStrictHostKeyChecking=yes", "-oBatchMode=yes"]
    login = ["-F", "none", "-i", str(host.private_key), "-p", str(host.port), f"{host.user}@{host.address}"]
    return ["ssh", *known, *options, *login, command]


def run(host: SSHD, command: str) -> subprocess.CompletedProcess[str]:
    return finish(ssh(host, command))


def output(host: SSHD, command: str) -> str:
    result = run(host, command)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@contextmanager
def session(host: SSHD, command: str, *options: str) -> Generator[subprocess.Popen[str]]:
    """An ssh program that is running; it reads what is written to its standard input."""
    with subprocess.Popen(
        ssh(host, command, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_running(host: SSHD, text: str) -> None:
    deadline = time.monotonic() + 120
    while not any(text in line for line in host.processes()):
        assert time.monotonic() < deadline, f"no {text} on {host.name}"
        time.sleep(0.02)


def wait_until_disconnected(host: SSHD, times: int) -> None:
    """The server may say so later than its client knows."""
    deadline = time.monotonic() + 120
    while host.log.read_text().count("Disconnected from") < times:
        assert time.monotonic() < deadline, f"{host.name} still holds a connection"
        time.sleep(0.02)


def test_a_host_is_one_of_its_own(sshd: SSHD) -> None:
    assert output(sshd, "hostname; id -un; echo $HOME; stat -c %a $HOME").split() == [sshd.name, "lab", "/home/lab", "700"]
    assert len(output(sshd, "ls /proc | grep -c '^[0-9]'")) == 1
    assert sshd.host_key_line.startswith(f"[{sshd.address}]:{sshd.port} ssh-ed25519 ")


def test_the_home_is_seen_from_here_and_tmp_is_not_shared(sshd: SSHD, tmp_path: Path) -> None:
    output(sshd, "echo hello > greeting; touch /tmp/mine")
    assert (sshd.home / "greeting").read_text() == "hello\n"
    assert output(sshd, f"ls -A /tmp; ls -d {tmp_path} 2>/dev/null || echo apart").split() == ["mine", "apart"]


def test_hosts_are_apart(farm: Farm) -> None:
    first, second, third = farm(3)
    assert len({output(host, "hostname") for host in (first, second, third)}) == 3
    assert len({host.host_key_line.split()[-1] for host in (first, second, third)}) == 3
    assert len({host.private_key for host in (first, second, third)}) == 1


def test_stop_ends_everything_at_once(sshd: SSHD) -> None:
    output(sshd, "setsid sleep 4321 > /dev/null 2>&1 < /dev/null &")
    with session(sshd, "sleep 1234") as client:
        wait_until_running(sshd, "sleep 1234")
        wait_until_running(sshd, "sleep 4321")
        sshd.stop()
        assert client.wait(250) == 255
    assert sshd.processes() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sshd.address, sshd.port), 5)


def test_restart_keeps_keys_port_and_home(sshd: SSHD) -> None:
    output(sshd, "echo kept > file; touch /tmp/lost")
    sshd.restart()
    assert output(sshd, "cat file; ls /tmp") == "kept"


def test_a_frozen_host_is_silent_and_goes_on_when_thawed(sshd: SSHD) -> None:
    with session(sshd, "echo on; read -r line; echo done") as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline() == "on\n"
        sshd.freeze()
        client.stdin.write("\n")
        client.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            client.wait(1)
        with socket.create_connection((sshd.address, sshd.port), 5) as connection:
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        sshd.thaw()
        assert client.communicate(timeout=120)[0] == "done\n"


def test_killed_sessions_leave_the_listener_and_detached_work(sshd: SSHD) -> None:
    output(sshd, "setsid sleep 4321 > /dev/null 2>&1 < /dev/null &")
    with session(sshd, "sleep 1234") as client:
        wait_until_running(sshd, "sleep 1234")
        sshd.kill_sessions()
        assert client.wait(250) == 255
    assert "sleep 4321" in sshd.processes()
    assert output(sshd, "echo here") == "here"


def test_a_process_that_has_ended_is_gone_from_the_table(sshd: SSHD) -> None:
    pid = output(sshd, "setsid sleep 0.1 > /dev/null 2>&1 < /dev/null & echo $!")
    deadline = time.monotonic() + 120
    while run(sshd, f"kill -0 {pid}").returncode == 0:
        assert time.monotonic() < deadline, f"{pid} is still there"
    assert left_on(sshd) == []


def test_connections_are_counted_from_the_log(sshd: SSHD) -> None:
    for number in (1, 2):
        output(sshd, "true")
        wait_until_disconnected(sshd, number)
        assert (sshd.connections(), sshd.most_connections_at_once()) == (number, 1)
    with session(sshd, "sleep 1111"), session(sshd, "sleep 2222"), session(sshd, "sleep 3333"):
        for seconds in (1111, 2222, 3333):
            wait_until_running(sshd, f"sleep {seconds}")
    assert sshd.most_connections_at_once() == 3


def test_killed_sessions_are_no_longer_connected(sshd: SSHD) -> None:
    for number in (1, 2):
        with session(sshd, "sleep 1234"):
            wait_until_running(sshd, "sleep 1234")
            sshd.kill_sessions()
            output(sshd, "pkill -x sleep")  # it has no terminal, and so it does not hear of the end of its session
            wait_until_disconnected(sshd, number)
    assert (sshd.connections(), sshd.most_connections_at_once()) == (4, 1)


def test_without_bash_there_is_no_bash(farm: Farm) -> None:
    host = farm(1, no_bash=True)[0]
    assert run(host, "command -v bash").returncode != 0
    assert output(host, "ls /bin/bash /usr/bin/bash 2>/dev/null; ls /usr/bin/env; echo $SHELL") == "/usr/bin/env\n/bin/sh"


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/dash", "/bin/tcsh"])
def test_the_login_shell_is_the_one_asked_for(farm: Farm, shell: str) -> None:
    host = farm(1, shell=shell)[0]
    assert output(host, "echo $shell" if shell == "/bin/tcsh" else "echo $SHELL").endswith(shell)
    assert (run(host, "setenv PLACE here && echo $PLACE").stdout == "here\n") == (shell == "/bin/tcsh")


def test_bashrc_is_read_for_a_command(farm: Farm) -> None:
    host = farm(1, bashrc="echo Welcome to the cluster\n")[0]
    assert output(host, "echo mine").splitlines() == ["Welcome to the cluster", "mine"]


def test_one_session_a_connection(farm: Farm, tmp_path: Path) -> None:
    host = farm(1, config="MaxSessions 1\n")[0]
    control = f"-oControlPath={tmp_path}/control"
    with session(host, "sleep 1234", "-oControlMaster=yes", control):
        wait_until_running(host, "sleep 1234")
        second = finish(ssh(host, "true", "-oProxyCommand=false", control))
    assert second.returncode == 255
    assert "refused" in second.stderr


def test_programs_in_tmp_can_be_forbidden(farm: Farm, sshd: SSHD) -> None:
    host = farm(1, noexec_tmp=True)[0]
    program = "cp /bin/true /tmp/program && /tmp/program"
    assert run(sshd, program).returncode == 0
    assert run(host, program).returncode == 126


def test_the_password_lets_the_user_in_only_where_there_is_one(farm: Farm, sshd: SSHD, tmp_path: Path) -> None:
    host = farm(1, password="open sesame")[0]
    answer = tmp_path / "answer"
    answer.write_text("#!/bin/sh\necho 'open sesame'\n")
    answer.chmod(0o700)
    results: list[int] = []
    for each in (host, sshd):
        options = ["-oPreferredAuthentications=password", "-oBatchMode=no", "-oNumberOfPasswordPrompts=1"]
        command = ["ssh", *options, *ssh(each, "true")[1:]]
        results.append(finish(command, SSH_ASKPASS=str(answer), SSH_ASKPASS_REQUIRE="force").returncode)
    assert results == [0, 255]


@pytest.mark.parametrize("sftp", [True, False])
def test_sftp_is_there_or_not(farm: Farm, sftp: bool) -> None:
    host = farm(1, sftp=sftp)[0]
    subsystem = finish(ssh(host, "sftp", "-s"))
    assert (subsystem.returncode == 0) == sftp


def test_a_small_home_is_really_full(sshd: SSHD) -> None:
    sshd.limit_home(1_000_000)
    result = run(sshd, "head -c 2000000 /dev/zero > big")
    assert "No space left on device" in result.stderr
    assert (sshd.home / "big").stat().st_size <= 1_003_520
    sshd.restart()
    output(sshd, "head -c 2000000 /dev/zero > big")


def test_a_slow_link_takes_its_time(farm: Farm) -> None:
    host = farm.slow(0.1)
    times = [1.0]
    while min(times) >= 0.13 and len(times) <= 200:
        begin = time.monotonic()
        socket.create_connection((host.address, host.port), 60).close()
        times.append(time.monotonic() - begin)
    assert 0.1 <= min(times) < 0.13
    assert output(host, "hostname") == host.name


def test_standing_hosts_are_as_new(hosts: list[SSHD]) -> None:
    _use(hosts)


def test_standing_hosts_are_as_new_again(hosts: list[SSHD]) -> None:
    _use(hosts)


def _use(hosts: list[SSHD]) -> None:
    """Leave traces of every kind where none may be found."""
    first, second, third, fourth = hosts
    for host in hosts:
        assert (list(host.home.iterdir()), host.processes(), host.connections()) == ([], [], 0)
        assert output(host, "ls -A /tmp") == ""
        output(host, "mkdir -p folder; touch folder/file /tmp/file; setsid sleep 4321 > /dev/null 2>&1 < /dev/null &")
    first.stop()
    second.freeze()
    third.kill_sessions()
    fourth.limit_home(100_000)
