"""Keys that an SSH agent holds: it signs with them, and never gives them away."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import paramiko
from paramiko.agent import AgentSSH

FROM_ENVIRONMENT = "SSH_AUTH_SOCK"


def agent_keys(where: str | None) -> tuple[paramiko.AgentKey, ...]:
    """The keys of an agent; ``where`` is as in OpenSSH's IdentityAgent: a socket, a variable that names one, or none."""
    try:
        if where is None or where == FROM_ENVIRONMENT:
            return paramiko.Agent().get_keys()
        path = os.path.expandvars(where)
        return () if path.lower() == "none" else _Agent(Path(path).expanduser()).get_keys()
    except (paramiko.SSHException, OSError):
        return ()  # as OpenSSH has it, an agent that does not answer holds no keys


class _Agent(AgentSSH):
    """The agent at a socket; paramiko's own is always the one of the environment."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(path))
        self._connect(line)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] -- not in the stubs
