"""A key in the place of a password, on real servers that take both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused, CommandFailed
from blocks.transport import key_exchange
from blocks.transport.ssh import SSHTransport
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD
from tests.ssh.access import access_to, destination

pytestmark = pytest.mark.ssh
PASSWORD = "correct horse, $battery 'staple'"
OWN_FILE = "AuthorizedKeysFile .ssh/authorized_keys\n"


@pytest.fixture(params=["/bin/bash", "/bin/tcsh"])
def host(farm: Farm, request: pytest.FixtureRequest) -> SSHD:
    """A host that lets in by password, and by the keys in the user's own folder."""
    if not Path(request.param).exists():
        pytest.skip(f"needs {request.param}")
    return farm(1, password=PASSWORD, config=OWN_FILE, shell=request.param)[0]


def by_password(host: SSHD) -> SSHTransport:
    access = access_to(host, private_key_file=None, password=SecretStr(PASSWORD))
    return SSHTransport(destination(host), access)


def whoami(host: SSHD, private: SecretStr) -> str:
    transport = SSHTransport(destination(host), access_to(host, private_key_file=None, private_key=private))
    try:
        return transport.run("whoami").decode().strip()
    finally:
        transport.close()


def keys(host: SSHD) -> Path:
    return host.home / ".ssh" / "authorized_keys"


def test_a_key_takes_the_place_of_the_password_until_it_is_withdrawn(host: SSHD) -> None:
    private, public = key_exchange.new_key("chiminey lab")
    transport = by_password(host)
    key_exchange.install(transport, public)
    assert whoami(host, private) == host.user
    assert keys(host).stat().st_mode & 0o777 == 0o600
    assert keys(host).parent.stat().st_mode & 0o777 == 0o700

    key_exchange.withdraw(transport, public)
    with pytest.raises(AuthenticationRefused):
        whoami(host, private)
    transport.close()


def test_installing_and_withdrawing_may_be_repeated_and_touch_no_other_key(farm: Farm) -> None:
    (host,) = farm(1, password=PASSWORD, config=OWN_FILE)
    keys(host).parent.mkdir(mode=0o700)
    keys(host).write_text("ssh-ed25519 AAAAC3Nza someone else")  # and no newline at the end
    for path in (keys(host).parent, keys(host)):
        os.chown(path, host.home.stat().st_uid, host.home.stat().st_gid)
    _, public = key_exchange.new_key("chiminey lab")
    transport = by_password(host)
    for _ in range(2):
        key_exchange.install(transport, public)
    assert keys(host).read_text() == f"ssh-ed25519 AAAAC3Nza someone else\n{public}\n"
    for _ in range(2):
        key_exchange.withdraw(transport, public)
    assert keys(host).read_text() == "ssh-ed25519 AAAAC3Nza someone else\n"
    assert [file.name for file in keys(host).parent.iterdir()] == ["authorized_keys"]
    transport.close()


def test_a_key_that_the_user_had_there_before_is_not_withdrawn(farm: Farm) -> None:
    (host,) = farm(1, password=PASSWORD, config=OWN_FILE)
    private, public = key_exchange.new_key("me@home")
    transport = by_password(host)
    key_exchange.install(transport, public)
    key_exchange.withdraw(transport, key_exchange.public_line(private, "chiminey lab"))
    assert whoami(host, private) == host.user
    transport.close()


def test_withdrawing_where_there_are_no_keys_does_nothing(farm: Farm) -> None:
    (host,) = farm(1, password=PASSWORD, config=OWN_FILE)
    transport = by_password(host)
    key_exchange.withdraw(transport, key_exchange.new_key("chiminey lab")[1])
    transport.close()
    assert not keys(host).exists()


def test_a_server_without_a_shell_says_so(farm: Farm) -> None:
    (host,) = farm(1, password=PASSWORD, config=OWN_FILE, shell="/usr/sbin/nologin")
    transport = by_password(host)
    with pytest.raises(CommandFailed):
        key_exchange.install(transport, key_exchange.new_key("chiminey lab")[1])
    transport.close()


def test_the_private_key_is_never_shown() -> None:
    private, public = key_exchange.new_key("chiminey lab")
    assert "PRIVATE" not in f"{private} {private!r} {public}"
    assert public.startswith("ssh-ed25519 ")
    assert public.endswith(" chiminey lab")
