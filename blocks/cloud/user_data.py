"""What a new machine is told: a #cloud-config for cloud-init, with the host key that it has to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import yaml

from blocks.errors import InvalidRequest

_HEADER = "#cloud-config"
_SCRIPT = "/var/lib/chiminey/user-data"
_WATCHMAN = "/var/lib/chiminey/unattended"

_UNATTENDED = """#!/bin/sh
# Powers the machine off when nobody has been logged in over SSH for so many minutes: whoever made it may have gone away.
minutes=0
while [ "$minutes" -lt {limit} ]; do
    sleep 60
    minutes=$((minutes + 1))
    if grep -aqs '^sshd[a-z-]*: [^ ]*@' /proc/[0-9]*/cmdline; then minutes=0; fi
done
exec shutdown -h now
"""


def compose(host_key: tuple[str, str], login_line: str, unattended_minutes: int, users: str = "") -> str:
    """The text of the user data.

    Args:
        host_key: the private key that the machine's SSH server is to have, and the public one.
        login_line: what ``authorized_keys`` is to hold.
        unattended_minutes: after so many without anybody logged in, the machine powers itself off; 0: never.
        users: user data of the user's own, a script or a #cloud-config, which is heeded as well.

    Raises:
        InvalidRequest: ``users`` is neither, or can't be read.
    """
    private, public = host_key
    config: dict[str, Any] = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": private, "ed25519_public": public},
        "ssh_authorized_keys": [login_line],
        "disable_root": False,  # cloud images let in root by key only, and else turn it away
    }
    files: list[dict[str, Any]] = []
    commands: list[Any] = []
    if unattended_minutes:
        files.append(_program(_WATCHMAN, _UNATTENDED.format(limit=unattended_minutes)))
        commands.append(f"nohup setsid {_WATCHMAN} >/dev/null 2>&1 </dev/null &")
    if users.startswith("#!"):
        files.append(_program(_SCRIPT, users))
        commands.append(_SCRIPT)
    own = {name: each for name, each in (("write_files", files), ("runcmd", commands)) if each}
    given = parsed(users) if users and not users.startswith("#!") else {}
    return f"{_HEADER}\n{yaml.safe_dump(_joined(config, given, own), sort_keys=False)}"


def parsed(text: str) -> dict[str, Any]:
    """A #cloud-config of the user's own.

    Raises:
        InvalidRequest: it is none.
    """
    if not text.startswith(_HEADER):
        raise InvalidRequest("user_data: it must begin with #! (a script) or with #cloud-config")
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidRequest(f"user_data: the #cloud-config can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(loaded, dict):
        raise InvalidRequest("user_data: the #cloud-config must hold names and values")
    return cast(dict[str, Any], loaded)


def _program(path: str, text: str) -> dict[str, Any]:
    return {"path": path, "permissions": "0755", "owner": "root:root", "content": text}


def _joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """All of them as one: lists are joined, and of what else occurs twice the first holds."""
    whole: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            there = whole.get(name)
            whole[name] = [*there, *value] if isinstance(there, list) and isinstance(value, list) else whole.get(name, value)
    return whole
