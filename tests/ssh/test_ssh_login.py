"""Logging in over SSH: keys, passwords, agents, jump hosts and aliases, on real servers."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import paramiko
import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused, InvalidRequest, Unreachable
from blocks.transport.ssh import SSHTransport
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD
from tests.ssh.access import NO_KEY, access_to, authorize, destination, known, make_key, whoami

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("nobodys_home")]


@pytest.mark.parametrize("passphrase", ["", "correct horse ☃"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("ed25519", ()), ("rsa", ("-b", "2048")), ("ecdsa", ()), ("ecdsa", ("-b", "521")), ("rsa", ("-b", "2048", "-m", "PEM"))],
)
def test_the_text_of_a_key_lets_in(sshd: SSHD, tmp_path: Path, kind: str, options: tuple[str, ...], passphrase: str) -> None:
    text = make_key(tmp_path / "key", kind, *options, passphrase=passphrase)
    authorize(sshd, tmp_path / "key.pub")
    secret = SecretStr(passphrase) if passphrase else None
    assert whoami(sshd, private_key=SecretStr(text), passphrase=secret, **NO_KEY) == "lab@n5"


def test_a_key_file_in_the_home_folder_lets_in(hosts: list[SSHD], nobodys_home: Path) -> None:
    (nobodys_home / "my_key").write_text(hosts[0].private_key.read_text())
    assert whoami(hosts[0], private_key_file="~/my_key") == "lab@n1"


def test_the_usual_identity_file_is_tried_when_nothing_is_given(hosts: list[SSHD], nobodys_home: Path) -> None:
    (nobodys_home / ".ssh/id_ed25519").write_text(hosts[0].private_key.read_text())
    assert whoami(hosts[0], **NO_KEY) == "lab@n1"


def test_a_key_of_the_agent_lets_in(hosts: list[SSHD], agent: Path) -> None:
    subprocess.run(["ssh-add", "-q", hosts[0].private_key], check=True)
    assert whoami(hosts[0], use_agent=True, **NO_KEY) == "lab@n1"
    with pytest.raises(AuthenticationRefused):
        whoami(hosts[0], use_agent=False, **NO_KEY)


def test_a_usual_key_that_needs_a_passphrase_does_not_stand_in_the_agents_way(
    hosts: list[SSHD], agent: Path, tmp_path: Path
) -> None:
    make_key(tmp_path / "locked", "ed25519", passphrase="secret")
    config = tmp_path / "config"
    config.write_text(f"Host *\n  IdentityFile {tmp_path / 'locked'}\n")
    subprocess.run(["ssh-add", "-q", hosts[0].private_key], check=True)
    assert whoami(hosts[0], use_agent=True, config_file=str(config), **NO_KEY) == "lab@n1"


def test_a_password_lets_in(farm: Farm) -> None:
    host = farm(1, password="open sesame")[0]
    assert whoami(host, password=SecretStr("open sesame"), **NO_KEY) == "lab@n5"


def test_a_password_lets_in_where_it_is_asked_for_interactively(farm: Farm) -> None:
    config = "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n"
    host = farm(1, password="open sesame", config=config)[0]
    assert whoami(host, password=SecretStr("open sesame"), **NO_KEY) == "lab@n5"


def test_a_password_goes_before_the_keys_of_an_agent(farm: Farm, agent: Path, tmp_path: Path) -> None:
    host = farm(1, password="open sesame", config="MaxAuthTries 2\n")[0]
    for number in range(4):
        make_key(tmp_path / f"other{number}", "ed25519")
        subprocess.run(["ssh-add", "-q", tmp_path / f"other{number}"], check=True)
    assert whoami(host, password=SecretStr("open sesame"), use_agent=True, **NO_KEY) == "lab@n5"
    with pytest.raises(AuthenticationRefused, match="switch the agent off"):
        whoami(host, use_agent=True, **NO_KEY)


def test_a_key_and_a_password_let_in_where_both_are_asked_for(farm: Farm) -> None:
    host = farm(1, password="open sesame", config="AuthenticationMethods publickey,password\n")[0]
    assert whoami(host, password=SecretStr("open sesame")) == "lab@n5"
    with pytest.raises(AuthenticationRefused, match="give the password"):
        whoami(host)


def test_a_connection_that_breaks_just_before_a_key_is_offered_is_no_refusal(sshd: SSHD, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = paramiko.Transport.auth_publickey

    def broken(transport: paramiko.Transport, *given: Any) -> list[str]:
        sshd.freeze()  # so that nobody hears of it from the other side
        transport.sock.shutdown(socket.SHUT_WR)
        return offer(transport, *given)

    monkeypatch.setattr(paramiko.Transport, "auth_publickey", broken)
    with pytest.raises(Unreachable, match="hung up while lab was logging in"):
        whoami(sshd)
    sshd.thaw()


def test_a_wrong_key_is_refused_with_what_was_tried_and_what_to_do(hosts: list[SSHD], tmp_path: Path) -> None:
    make_key(tmp_path / "other", "ed25519")
    with pytest.raises(AuthenticationRefused) as refused:
        whoami(hosts[0], private_key_file=str(tmp_path / "other"))
    for words in ("user lab", f"the key {tmp_path / 'other'}", "allows publickey", "authorized_keys"):
        assert words in str(refused.value)


def test_a_wrong_password_is_refused_and_not_shown(farm: Farm) -> None:
    host = farm(1, password="open sesame")[0]
    with pytest.raises(AuthenticationRefused, match="did not take the password") as refused:
        whoami(host, password=SecretStr("hunter2"), **NO_KEY)
    assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"


@pytest.mark.parametrize(
    ("text", "passphrase", "words"),
    [
        ("locked", None, "needs its passphrase"),
        ("locked", "wrong", "passphrase is wrong"),
        ("nonsense", None, "is no private key"),
    ],
)
def test_a_key_that_can_not_be_used_says_why(
    hosts: list[SSHD], tmp_path: Path, text: str, passphrase: str | None, words: str
) -> None:
    key = make_key(tmp_path / "key", "ed25519", passphrase="right") if text == "locked" else text
    with pytest.raises(AuthenticationRefused, match=words):
        whoami(hosts[0], private_key=SecretStr(key), passphrase=SecretStr(passphrase) if passphrase else None, **NO_KEY)


def test_a_missing_key_file_says_so(hosts: list[SSHD]) -> None:
    with pytest.raises(AuthenticationRefused, match=r"/nowhere/key can't be read"):
        whoami(hosts[0], private_key_file="/nowhere/key")


def test_one_or_several_jump_hosts_lead_to_a_host(hosts: list[SSHD], tmp_path: Path) -> None:
    keys = known(hosts, tmp_path)
    assert whoami(hosts[0], known_hosts=keys, jump_hosts=[destination(hosts[1])]) == "lab@n1"
    assert hosts[1].connections() == 1
    assert whoami(hosts[0], known_hosts=keys, jump_hosts=[destination(hosts[1]), destination(hosts[2])]) == "lab@n1"
    assert (hosts[0].connections(), hosts[1].connections(), hosts[2].connections()) == (2, 2, 1)


def test_a_jump_host_that_forbids_forwarding_says_so(farm: Farm, hosts: list[SSHD], tmp_path: Path) -> None:
    gate = farm(1, config="AllowTcpForwarding no\n")[0]
    (tmp_path / "config").write_text(f"Host {gate.address}\n  IdentityFile {gate.private_key}\n")
    with pytest.raises(Unreachable, match=r"jump host before .* can't reach it"):
        whoami(
            hosts[0],
            jump_hosts=[destination(gate)],
            known_hosts=known([gate, hosts[0]], tmp_path),
            config_file=str(tmp_path / "config"),
            **NO_KEY,
        )


def test_a_port_where_nothing_listens_is_told_from_an_unknown_name(hosts: list[SSHD]) -> None:
    with pytest.raises(Unreachable, match="refused the connection"):
        whoami(hosts[0], f"lab@{hosts[0].address}:1")
    with pytest.raises(Unreachable, match=r"name no-such-host\.invalid is unknown"):
        whoami(hosts[0], "lab@no-such-host.invalid")


@pytest.mark.parametrize("wrong", ["", "two words", "host:port", "host:99999", "-oProxyCommand=x", "@host"])
def test_what_is_not_a_destination_is_refused_before_anything_is_tried(hosts: list[SSHD], wrong: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a host"):
        SSHTransport(wrong, access_to(hosts[0])).run("true")
