"""Host keys: a real server's key is checked before anything is said to it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import HostKeyRefused, Unreachable
from blocks.transport.ssh import SSHTransport
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD
from tests.ssh.access import access_to, destination

pytestmark = pytest.mark.ssh


def hello(host: SSHD, **changes: Any) -> None:
    transport = SSHTransport(destination(host), access_to(host, **changes))
    try:
        assert transport.run("echo hello") == b"hello\n"
    finally:
        transport.close()


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def other_key(folder: Path, kind: str = "ed25519") -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / "other"], check=True)
    return " ".join((folder / "other.pub").read_text().split()[:2])


def bare(host: SSHD) -> str:
    """The host's key without its name."""
    return host.host_key_line.split(" ", 1)[1]


def test_an_unknown_host_is_refused_with_the_line_to_add(hosts: list[SSHD], tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    with pytest.raises(HostKeyRefused, match="unknown") as refused:
        hello(hosts[0], known_hosts=str(known))
    shown = subprocess.run(
        ["ssh-keygen", "-lf", hosts[0].known_hosts], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert shown in str(refused.value)
    line = re.search(r"add this line to \S+: (.*)", str(refused.value))
    assert line is not None
    assert line[1] == hosts[0].host_key_line
    hello(hosts[0], known_hosts=written(known, line[1]))


def test_nobody_logs_in_where_the_key_is_refused(hosts: list[SSHD]) -> None:
    with pytest.raises(HostKeyRefused):
        hello(hosts[0], known_hosts="/dev/null")
    assert hosts[0].connections() == 0


def test_a_changed_key_is_refused_with_a_warning(hosts: list[SSHD], tmp_path: Path) -> None:
    line = f"[{hosts[0].address}]:{hosts[0].port} {other_key(tmp_path)}\n"
    with pytest.raises(HostKeyRefused, match="intercepting"):
        hello(hosts[0], known_hosts=written(tmp_path / "known_hosts", line))


def test_a_revoked_key_is_refused(hosts: list[SSHD], tmp_path: Path) -> None:
    line = f"{hosts[0].host_key_line}\n@revoked * {bare(hosts[0])}\n"
    with pytest.raises(HostKeyRefused, match="revoked"):
        hello(hosts[0], known_hosts=written(tmp_path / "known_hosts", line))


def test_hashed_names_are_understood(hosts: list[SSHD], tmp_path: Path) -> None:
    known = written(tmp_path / "known_hosts", hosts[0].host_key_line + "\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert hosts[0].address not in Path(known).read_text()
    hello(hosts[0], known_hosts=known)


def test_hashed_names_are_found_however_they_are_written(hosts: list[SSHD], tmp_path: Path) -> None:
    known = written(tmp_path / "known_hosts", f"cluster {bare(hosts[0])}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    hello(hosts[0], known_hosts=known, config_file=written(tmp_path / "config", "HostKeyAlias Cluster\n"))


def test_no_line_is_to_be_added_where_nothing_is_kept(hosts: list[SSHD]) -> None:
    with pytest.raises(HostKeyRefused, match="--accept-host-key") as refused:
        hello(hosts[0], known_hosts="/dev/null")
    assert "/dev/null" not in str(refused.value)


def test_several_nodes_behind_one_name_are_a_reason_for_another_key(hosts: list[SSHD], tmp_path: Path) -> None:
    address = hosts[0].host_key_line.split()[0]
    pinned = [f"{address} {other_key(tmp_path)}"]
    with pytest.raises(HostKeyRefused, match="several login nodes"):
        hello(hosts[0], host_keys=pinned)
    hello(hosts[0], host_keys=[*pinned, hosts[0].host_key_line])


def test_a_server_that_is_stricter_than_we_are_is_not_called_out_of_date(farm: Farm) -> None:
    host = farm(1, config="Ciphers chacha20-poly1305@openssh.com\n")[0]
    with pytest.raises(Unreachable, match=r"shares no SSH algorithm with us .*cipher"):
        hello(host)


def test_patterns_of_names_are_understood(hosts: list[SSHD], tmp_path: Path) -> None:
    hello(hosts[0], known_hosts=written(tmp_path / "yes", f"# ours\n\nnonsense\nother,[127.0.?.*]:* {bare(hosts[0])} me\n"))
    with pytest.raises(HostKeyRefused, match="unknown"):
        hello(hosts[0], known_hosts=written(tmp_path / "no", f"[127.0.*]:*,![*.{hosts[0].address[-1]}]:* {bare(hosts[0])}\n"))


def test_a_pinned_key_is_enough_and_goes_before_the_file(hosts: list[SSHD], tmp_path: Path) -> None:
    hello(hosts[0], known_hosts="/dev/null", host_keys=[bare(hosts[0]) + " a comment"])
    hello(hosts[0], known_hosts="/dev/null", host_keys=[hosts[0].host_key_line])
    with pytest.raises(HostKeyRefused, match="changed"):
        hello(hosts[0], host_keys=[other_key(tmp_path)])


def test_a_pinned_key_without_a_name_does_not_hold_for_a_jump_host(hosts: list[SSHD]) -> None:
    jump = [destination(hosts[1])]
    hello(hosts[0], known_hosts="/dev/null", jump_hosts=jump, host_keys=[bare(hosts[0]), hosts[1].host_key_line])
    with pytest.raises(HostKeyRefused, match=re.escape(hosts[1].address)):
        hello(hosts[0], known_hosts="/dev/null", jump_hosts=jump, host_keys=[bare(hosts[0]), bare(hosts[1])])


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_the_server_is_asked_for_the_kind_of_key_that_is_known(sshd: SSHD, tmp_path: Path, kind: str) -> None:
    sshd.stop()
    folder = sshd.known_hosts.parent / "ssh"
    key = other_key(folder, kind)
    with (folder / "sshd_config").open("a") as config:
        config.write("HostKey /etc/ssh/other\n")
    sshd.start()
    hello(sshd, known_hosts=written(tmp_path / "known_hosts", f"[{sshd.address}]:{sshd.port} {key}\n"))
    hello(sshd)
