"""The way to a host as OpenSSH's configuration files tell it: aliases, jump hosts, commands, files that include files."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import AuthenticationRefused, HostKeyRefused, InvalidRequest, Unreachable
from blocks.transport import ssh_config_files, ssh_connection
from blocks.transport.ssh import SSHTransport
from tests.servers import process_table
from tests.servers.sshd import SSHD
from tests.ssh.access import NO_KEY, access_to, destination, known, whoami

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("nobodys_home")]


def test_an_alias_of_the_configuration_file_says_everything(hosts: list[SSHD], tmp_path: Path) -> None:
    inner, gate = hosts[0], hosts[1]
    config = tmp_path / "config"
    config.write_text(f"""
Host gate
    HostName {gate.address}
    Port {gate.port}
Host inner
    HostName {inner.address}
    Port {inner.port}
Host gate inner
    User lab
    IdentityFile {inner.private_key}
    UserKnownHostsFile {known(hosts, tmp_path)}
Host *
    ProxyJump gate
""")
    assert whoami(inner, "inner", config_file=str(config), known_hosts=None, **NO_KEY) == "lab@n1"
    assert gate.connections() == 1


def test_the_configuration_file_of_the_home_folder_is_read(hosts: list[SSHD], nobodys_home: Path) -> None:
    (nobodys_home / ".ssh/config").write_text(f"Host cluster\n HostName {hosts[0].address}\n Port {hosts[0].port}\n User lab\n")
    assert whoami(hosts[0], "cluster", config_file=None) == "lab@n1"


def test_an_exception_from_a_proxy_command_is_heeded(hosts: list[SSHD], tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"Host {hosts[0].address}\n  ProxyCommand none\nHost *\n  ProxyCommand nc gate 22\n")
    assert whoami(hosts[0], config_file=str(tmp_path / "config")) == "lab@n1"


RELAY = """
import socket, sys, threading
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def copy(read, write, ended):
    while block := read(65536):
        write(block)
    ended()
def out(block):
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
threading.Thread(target=copy, args=(line.recv, out, sys.stdout.close), daemon=True).start()
print("relaying", sys.argv[1:], file=sys.stderr)
copy(sys.stdin.buffer.raw.read, line.sendall, lambda: None)
"""


def relay(folder: Path) -> str:
    """A program such as those of clouds that lead to a host's port."""
    (folder / "relay.py").write_text(RELAY)
    return f"{sys.executable} {folder / 'relay.py'}"


def running(command: str) -> list[str]:
    found = subprocess.run(["pgrep", "-f", command], capture_output=True, text=True, check=False).stdout.split()
    return [pid for pid in found if process_table.command_line(int(pid))]


def test_a_command_leads_to_a_host_and_ends_with_the_connection(hosts: list[SSHD], tmp_path: Path) -> None:
    command = relay(tmp_path)
    (tmp_path / "config").write_text(f"Host inner\n  HostName {hosts[0].address}\n  ProxyCommand {command} %h %p # %r %%\n")
    access = access_to(hosts[0], config_file=str(tmp_path / "config"))
    transport = SSHTransport(f"lab@inner:{hosts[0].port}", access)
    assert transport.run("hostname") == b"n1\n"
    assert len(transport.run("head -c 3000000 /dev/zero")) == 3_000_000
    assert len(running(command)) == 1
    transport.close()
    assert running(command) == []


def test_a_host_behind_one_that_a_command_leads_to_is_reached_through_it(hosts: list[SSHD], tmp_path: Path) -> None:
    gate = hosts[1]
    (tmp_path / "config").write_text(f"""
Host gate
    HostName {gate.address}
    Port {gate.port}
    User lab
    ProxyCommand {relay(tmp_path)} %h %p
Host {hosts[0].address}
    ProxyJump gate
Host *
    ProxyCommand false
""")
    assert whoami(hosts[0], config_file=str(tmp_path / "config"), known_hosts=known(hosts, tmp_path)) == "lab@n1"
    assert gate.connections() == 1


def test_a_command_that_leads_nowhere_is_quoted(hosts: list[SSHD], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host inner\n  ProxyCommand echo the tunnel is closed >&2; exit 1\n")
    with pytest.raises(Unreachable, match="ProxyCommand to inner port 22 did not lead there: the tunnel is closed"):
        whoami(hosts[0], "inner", config_file=str(tmp_path / "config"))


def test_a_command_that_says_nothing_is_ended(hosts: list[SSHD], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_connection, "PROXY_PATIENCE", 0.5)
    seconds = 100_000 + secrets.randbelow(800_000)
    command = f"sh -c \"trap '' TERM; sleep {seconds}.1; sleep {seconds}.2\""
    (tmp_path / "config").write_text(f"Host inner\n  ProxyCommand {command}\n")
    with pytest.raises(Unreachable, match="did not answer as an SSH server does"):
        whoami(hosts[0], "inner", config_file=str(tmp_path / "config"))
    deadline = time.monotonic() + 60
    while running(f"sleep {seconds}"):  # it is killed, and goes when it has its turn
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_connection_of_openssh_itself_is_passed_through(hosts: list[SSHD], tmp_path: Path, nobodys_home: Path) -> None:
    (nobodys_home / ".ssh/gates").write_text(f"""
Host gate
    HostName {hosts[1].address}
    Port {hosts[1].port}
    User lab
    IdentityFile {hosts[1].private_key}
    UserKnownHostsFile {hosts[1].known_hosts}
""")
    command = f"ssh -F {nobodys_home}/.ssh/gates -o BatchMode=yes -W %h:%p gate"
    (nobodys_home / ".ssh/config").write_text(f"Host {hosts[0].address}\n  ProxyCommand {command}\n")
    assert whoami(hosts[0], config_file=None) == "lab@n1"
    assert hosts[1].connections() == 1


def test_a_name_that_would_mean_something_to_the_shell_gets_into_no_command(hosts: list[SSHD], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host *\n  ProxyCommand nc %h %p\n")
    with pytest.raises(InvalidRequest, match="can't be put into the ProxyCommand"):
        whoami(hosts[0], "$(reboot)", config_file=str(tmp_path / "config"))


def lab(host: SSHD, name: str = "lab") -> str:
    return f"Host {name}\n HostName {host.address}\n Port {host.port}\n User lab\n"


def test_files_that_are_included_count_where_they_are_included(hosts: list[SSHD], nobodys_home: Path) -> None:
    ssh = nobodys_home / ".ssh"
    (ssh / "config.d").mkdir()
    (ssh / "config.d" / "a folder").mkdir()
    (ssh / "config").write_text(f"Include config.d/* ~/absent # ours\nHost *\n Include {ssh}/rest\n User lab\n")
    (ssh / "config.d" / "lab").write_text(f"Host lab\n HostName {hosts[0].address}\n Port {hosts[0].port}\n")
    (ssh / "rest").write_text("Port 1\nUser nobody\n")
    assert whoami(hosts[0], "lab@lab", config_file=None) == "lab@n1"
    with pytest.raises(AuthenticationRefused, match="the user nobody"):
        whoami(hosts[0], "lab", config_file=None)


def test_what_is_included_in_a_block_holds_for_its_hosts_only(hosts: list[SSHD], nobodys_home: Path) -> None:
    ssh = nobodys_home / ".ssh"
    (ssh / "config").write_text(f"Host *-a other\n Include aliases\n Port {hosts[1].port}\nHost *\n Port {hosts[0].port}\n")
    (ssh / "aliases").write_text(f"User lab\nHost lab-*\n HostName {hosts[1].address}\nMatch all\n LogLevel DEBUG\n")
    assert whoami(hosts[1], "lab-a", config_file=None) == "lab@n2"
    with pytest.raises(Unreachable, match="name lab-b is unknown"):
        whoami(hosts[1], "lab@lab-b", config_file=None)


def test_a_file_that_includes_itself_is_refused(hosts: list[SSHD], nobodys_home: Path) -> None:
    (nobodys_home / ".ssh/config").write_text("Include ~/.ssh/config\n")
    with pytest.raises(InvalidRequest, match="included by itself"):
        whoami(hosts[0], config_file=None)


def test_the_systems_configuration_comes_after_the_users(
    hosts: list[SSHD], nobodys_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = nobodys_home / "etc"
    system.mkdir()
    monkeypatch.setattr(ssh_config_files, "SYSTEM_CONFIG", str(system / "ssh_config"))
    (system / "ssh_config").write_text("Include *.conf\n")
    (system / "site.conf").write_text(f"Match final all\n User lab\n{lab(hosts[0])}{lab(hosts[1], 'other')}")
    assert whoami(hosts[0], "lab", config_file=None) == "lab@n1"
    (nobodys_home / ".ssh/config").write_text(f"Host lab\n HostName {hosts[1].address}\n Port {hosts[1].port}\n")
    assert whoami(hosts[1], "lab", config_file=None) == "lab@n2"
    with pytest.raises(Unreachable, match="name other is unknown"):
        whoami(hosts[1], "lab@other", config_file=str(nobodys_home / ".ssh/config"))


def test_a_block_may_depend_on_a_command_which_gets_nothing_of_our_input(hosts: list[SSHD], tmp_path: Path) -> None:
    command = 'Match exec "test %h = lab && test -z \\"$(cat)\\""\n'
    (tmp_path / "config").write_text(f"{command} HostName {hosts[0].address}\nMatch !exec true\n Port 1\n")
    place = f"lab@lab:{hosts[0].port}"
    assert whoami(hosts[0], place, config_file=str(tmp_path / "config")) == "lab@n1"
    with pytest.raises(Unreachable, match="name other is unknown"):
        whoami(hosts[0], "lab@other", config_file=str(tmp_path / "config"))


def test_known_hosts_are_those_of_the_user_and_of_the_system(hosts: list[SSHD], tmp_path: Path, nobodys_home: Path) -> None:
    (nobodys_home / "of mine").write_text("")
    (tmp_path / "config").write_text(f"""
UserKnownHostsFile "~/of mine" "/nowhere"
GlobalKnownHostsFile "{hosts[0].known_hosts}" # of everybody
""")
    assert whoami(hosts[0], config_file=str(tmp_path / "config"), known_hosts=None) == "lab@n1"
    (nobodys_home / "of mine").write_text(f"@revoked * {hosts[0].host_key_line.split(' ', 1)[1]}")
    with pytest.raises(HostKeyRefused, match=r"revoked in .*/of mine"):
        whoami(hosts[0], config_file=str(tmp_path / "config"), known_hosts=None)


def test_a_host_is_known_by_the_name_that_the_configuration_gives_it(hosts: list[SSHD], tmp_path: Path) -> None:
    (tmp_path / "known").write_text(f"cluster {hosts[0].host_key_line.split(' ', 1)[1]}")
    (tmp_path / "config").write_text(f"HostKeyAlias Cluster\nUserKnownHostsFile {tmp_path / 'known'}\n")
    assert whoami(hosts[0], config_file=str(tmp_path / "config"), known_hosts=None) == "lab@n1"
    way: dict[str, Any] = {"jump_hosts": [destination(hosts[1])], "config_file": str(tmp_path / "config"), "known_hosts": None}
    with pytest.raises(HostKeyRefused, match="key of Cluster has changed"):
        whoami(hosts[0], **way)


def test_names_are_made_canonical_where_domains_are_given(hosts: list[SSHD], tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"CanonicalizeHostname yes\n{lab(hosts[0])}")
    assert whoami(hosts[0], "lab", config_file=str(tmp_path / "config")) == "lab@n1"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Match localnetwork 10.0.0.0/8", "'Match localnetwork', which is not understood"),
        ("Port ssh", "invalid literal"),
        ("Host 'lab", "closing quote"),
        ("CanonicalizeHostname yes\nCanonicalizeFallbackLocal no\nCanonicalDomains invalid", "can't be used"),
    ],
)
def test_what_is_not_understood_is_named(hosts: list[SSHD], tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "config").write_text(f"{line}\n")
    with pytest.raises(InvalidRequest, match=words):
        whoami(hosts[0], "lab", config_file=str(tmp_path / "config"))
