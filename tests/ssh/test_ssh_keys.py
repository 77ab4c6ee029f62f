"""Keys that agents hold, certificates, and keys of jump hosts: which is shown to which server, on real servers."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD
from tests.ssh.access import NO_KEY, authorize, destination, known, make_key, whoami

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("nobodys_home")]


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def load(*keys: Path) -> None:
    subprocess.run(["ssh-add", "-q", *keys], check=True)


@pytest.fixture
def eight(tmp_path: Path, agent: Path) -> list[Path]:
    """Keys that the agent holds, in this order."""
    keys = [tmp_path / f"key{number}" for number in range(8)]
    for key in keys:
        make_key(key, "ed25519")
        load(key)
        key.unlink()
    return keys


@pytest.mark.parametrize("named", ["key7", "key7.pub"])
def test_the_agents_key_that_the_configuration_names_goes_first(
    farm: Farm, tmp_path: Path, eight: list[Path], named: str
) -> None:
    host = farm(1, config="MaxAuthTries 3\n")[0]
    authorize(host, tmp_path / "key7.pub")
    config = written(tmp_path / "config", f"Host *\n  IdentityFile {tmp_path / named}\n")
    assert whoami(host, use_agent=True, config_file=config, **NO_KEY) == "lab@n5"
    with pytest.raises(AuthenticationRefused, match="hung up after it had refused"):
        whoami(host, use_agent=True, **NO_KEY)


def test_only_identities_that_are_named_are_tried_where_the_configuration_says_so(
    hosts: list[SSHD], tmp_path: Path, eight: list[Path]
) -> None:
    authorize(hosts[0], tmp_path / "key7.pub")
    config = f"Host *\n  IdentitiesOnly yes\n  IdentityFile {tmp_path}/key6.pub\n"
    with pytest.raises(AuthenticationRefused) as refused:
        whoami(hosts[0], use_agent=True, config_file=written(tmp_path / "config", config), **NO_KEY)
    assert str(refused.value).count("SHA256:") == 1
    config += f"  IdentityFile {tmp_path}/key7.pub\n"
    assert whoami(hosts[0], use_agent=True, config_file=written(tmp_path / "config", config), **NO_KEY) == "lab@n1"


def test_a_locked_key_that_the_agent_holds_is_found_there_by_its_file_alone(
    hosts: list[SSHD], tmp_path: Path, eight: list[Path]
) -> None:
    make_key(tmp_path / "locked", "ed25519")
    authorize(hosts[0], tmp_path / "locked.pub")
    load(tmp_path / "locked")
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", tmp_path / "locked"], check=True)
    (tmp_path / "locked.pub").unlink()
    config = written(tmp_path / "config", f"IdentitiesOnly yes\nIdentityFile {tmp_path}/locked\n")
    assert whoami(hosts[0], use_agent=True, config_file=config, **NO_KEY) == "lab@n1"


def test_the_agent_that_the_configuration_names_is_asked(
    hosts: list[SSHD], tmp_path: Path, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(hosts[0].private_key)
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    monkeypatch.setenv("MY_AGENT", str(agent))
    for where in (str(agent), "$MY_AGENT"):
        config = written(tmp_path / "config", f"IdentityAgent {where}\n")
        assert whoami(hosts[0], use_agent=True, config_file=config, **NO_KEY) == "lab@n1"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    with pytest.raises(AuthenticationRefused, match="no other key, agent"):
        whoami(hosts[0], use_agent=True, config_file=written(tmp_path / "config", "IdentityAgent none\n"), **NO_KEY)


def test_a_public_key_that_no_agent_has_says_so(hosts: list[SSHD], tmp_path: Path) -> None:
    make_key(tmp_path / "key", "ed25519")
    config = written(tmp_path / "config", f"IdentityFile {tmp_path}/key.pub\n")
    with pytest.raises(AuthenticationRefused, match=r"No agent has the key of .*key\.pub"):
        whoami(hosts[0], config_file=config, **NO_KEY)


def test_a_key_that_a_security_key_holds_is_told_from_a_damaged_one(hosts: list[SSHD]) -> None:
    content = b"openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1\0\0\0J\0\0\0\x1ask-ssh-ed25519@openssh.com"
    text = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{base64.b64encode(content).decode()}\n-----END OPENSSH PRIVATE KEY-----\n"
    with pytest.raises(AuthenticationRefused, match="security key"):
        whoami(hosts[0], private_key=SecretStr(text), **NO_KEY)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    make_key(tmp_path / "ca", "ed25519")
    return tmp_path / "ca"


@pytest.fixture
def certifying(farm: Farm, authority: Path) -> SSHD:
    """A host that knows no key, and believes an authority."""
    host = farm(1, config="TrustedUserCAKeys /etc/ssh/ca.pub\nAuthorizedKeysFile none\n")[0]
    (host.known_hosts.parent / "ssh" / "ca.pub").write_text(authority.with_name("ca.pub").read_text())
    return host


def sign(authority: Path, key: Path, validity: str = "+1h") -> None:
    command = ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "lab", "-V", validity, key.with_name(f"{key.name}.pub")]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_certificate_beside_a_key_lets_in(certifying: SSHD, authority: Path, nobodys_home: Path, kind: str) -> None:
    key = nobodys_home / f".ssh/id_{kind}"
    make_key(key, kind)
    with pytest.raises(AuthenticationRefused):
        whoami(certifying, **NO_KEY)
    sign(authority, key)
    assert whoami(certifying, **NO_KEY) == "lab@n5"
    assert whoami(certifying, private_key_file=str(key)) == "lab@n5"


def test_a_certificate_that_the_configuration_names_lets_in_with_a_key_of_the_resource_or_of_an_agent(
    certifying: SSHD, authority: Path, tmp_path: Path, agent: Path
) -> None:
    text = make_key(tmp_path / "key", "ed25519")
    load(tmp_path / "key")
    sign(authority, tmp_path / "key")
    certificate = (tmp_path / "key-cert.pub").rename(tmp_path / "certificate")
    config = written(tmp_path / "config", f"CertificateFile {certificate}\n")
    assert whoami(certifying, config_file=config, private_key=SecretStr(text), **NO_KEY) == "lab@n5"
    assert whoami(certifying, config_file=config, use_agent=True, **NO_KEY) == "lab@n5"


def test_a_certificate_that_has_expired_says_when_unless_the_key_is_enough(
    certifying: SSHD, authority: Path, hosts: list[SSHD], tmp_path: Path
) -> None:
    make_key(tmp_path / "key", "ed25519")
    sign(authority, tmp_path / "key", "20200101:20200102")
    with pytest.raises(AuthenticationRefused, match="has expired on 2020-01-02"):
        whoami(certifying, private_key_file=str(tmp_path / "key"))
    authorize(hosts[0], tmp_path / "key.pub")
    assert whoami(hosts[0], private_key_file=str(tmp_path / "key")) == "lab@n1"


@pytest.fixture
def gate(farm: Farm, tmp_path: Path) -> SSHD:
    """A jump host that takes passwords, too, and beside the farm's a key of its own."""
    gate = farm(1, config="PasswordAuthentication yes\n", password="of the gate")[0]
    make_key(tmp_path / "gates", "ed25519")
    written(gate.known_hosts.parent / "ssh" / "authorized_keys", (tmp_path / "gates.pub").read_text())
    return gate


def test_a_jump_host_is_logged_in_to_with_its_own_key_and_never_sees_the_password(farm: Farm, gate: SSHD, tmp_path: Path) -> None:
    host = farm(1, password="of the host", config="AuthorizedKeysFile none\n")[0]
    config = written(tmp_path / "config", f"Host {gate.address}\n  IdentityFile {tmp_path / 'gates'}\n")
    way: dict[str, Any] = {"jump_hosts": [destination(gate)], "known_hosts": known([gate, host], tmp_path), "config_file": config}
    assert whoami(host, password=SecretStr("of the host"), **NO_KEY, **way) == "lab@n6"
    (tmp_path / "gates").write_text(make_key(tmp_path / "other", "ed25519"))
    (tmp_path / "gates.pub").unlink()
    with pytest.raises(AuthenticationRefused, match=gate.address):
        whoami(host, password=SecretStr("of the host"), **NO_KEY, **way)
    assert "password for" not in gate.log.read_text()
    assert "Accepted password for" in host.log.read_text()


def test_a_jump_host_without_a_key_of_its_own_takes_those_of_the_resource(
    hosts: list[SSHD], gate: SSHD, tmp_path: Path, agent: Path
) -> None:
    way: dict[str, Any] = {"jump_hosts": [destination(gate)], "known_hosts": known([gate, hosts[0]], tmp_path)}
    with pytest.raises(AuthenticationRefused, match=gate.address):
        whoami(hosts[0], **way)
    assert whoami(hosts[0], password=SecretStr("of the gate"), **way) == "lab@n1"
    load(tmp_path / "gates")
    assert whoami(hosts[0], use_agent=True, **way) == "lab@n1"
