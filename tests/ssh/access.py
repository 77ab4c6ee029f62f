"""How the tests log in to their hosts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess
from tests.servers.sshd import SSHD

NO_KEY: dict[str, Any] = {"private_key_file": None}


def destination(host: SSHD) -> str:
    return f"{host.user}@{host.address}:{host.port}"


def access_to(host: SSHD, **changes: Any) -> SSHAccess:
    """With the host's own key and known_hosts, and nothing of the person who runs the tests."""
    settings: dict[str, Any] = {
        "private_key_file": str(host.private_key),
        "known_hosts": str(host.known_hosts),
        "use_agent": False,
        "config_file": "/dev/null",
    }
    return SSHAccess(**settings | changes)


def whoami(host: SSHD, to: str | None = None, **changes: Any) -> str:
    """The user and host that a script finds itself on."""
    transport = SSHTransport(to or destination(host), access_to(host, **changes))
    try:
        return transport.run('echo "$(whoami)@$(hostname)"').decode().strip()
    finally:
        transport.close()


def authorize(host: SSHD, public_key: Path) -> None:
    """Let a key in."""
    with (host.known_hosts.parent / "ssh" / "authorized_keys").open("a") as keys:
        keys.write(public_key.read_text())


def make_key(path: Path, kind: str, *options: str, passphrase: str = "") -> str:
    """The text of a new private key."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *options, "-N", passphrase, "-f", path], check=True)
    return path.read_text()


def known(hosts: list[SSHD], folder: Path) -> str:
    """A file with the keys of several hosts."""
    path = folder / "all_known_hosts"
    path.write_text("".join(host.known_hosts.read_text() for host in hosts))
    return str(path)
