"""How the tests log in to their hosts."""

from __future__ import annotations

from typing import Any

from blocks.transport.ssh_access import SSHAccess
from tests.servers.sshd import SSHD


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
