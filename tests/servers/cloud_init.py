"""What a virtual machine is told by its user data: the part of cloud-init's language that the machines of the tests speak.

Source: cloud-init's documentation, "User data formats" and the modules ssh, users-groups, bootcmd, write-files and runcmd.
"""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

REFUSED_ROOT = (
    'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo \'Please login as the user \\"{user}\\"'
    ' rather than the user \\"root\\".\';echo;sleep 10;exit 142" '
)


@dataclass(slots=True)
class Account:
    """Who may log in, with which public keys."""

    name: str
    authorized_keys: list[str]
    shell: str = "/bin/bash"


@dataclass(slots=True)
class File:
    """One entry of ``write_files``."""

    path: str
    content: bytes
    permissions: str
    owner: str


@dataclass(slots=True)
class Instructions:
    """What is done at the first boot: all but ``script`` before the SSH server starts, ``script`` beside it.

    What is done at every boot is ``boot_script``, before all else.

    Attributes:
        host_keys: private keys by their type, such as ``ed25519``; when empty, the machine makes its own.
        script: a program with its ``#!`` line; empty when there is nothing to run.
    """

    accounts: list[Account]
    host_keys: dict[str, str] = field(default_factory=dict[str, str])
    files: list[File] = field(default_factory=list[File])
    script: str = ""
    boot_script: str = ""


def read(user_data: str, authorized_keys: list[str], default_user: str) -> Instructions:
    """Understand user data: ``#cloud-config``, a ``#!`` script, or nothing. The keys are the image's default user's."""
    if user_data.startswith("#!"):
        return Instructions(_accounts({}, authorized_keys, default_user), script=user_data)
    config: Any = {}
    if user_data.startswith("#cloud-config"):
        try:
            config = yaml.safe_load(user_data) or {}
        except yaml.YAMLError:
            config = {"runcmd": ["echo 'Failed loading yaml blob' >&2; exit 1"]}  # a machine comes up, and its status is "error"
    return Instructions(
        _accounts(config, authorized_keys, default_user),
        {name.removesuffix("_private"): key for name, key in config.get("ssh_keys", {}).items() if name.endswith("_private")},
        [_file(entry) for entry in config.get("write_files", [])],
        _script(config.get("runcmd", [])),
        _script(config.get("bootcmd", [])),
    )


def _accounts(config: dict[str, Any], authorized_keys: list[str], default_user: str) -> list[Account]:
    """Root, the default user unless ``users`` leaves it out, and those that ``users`` names."""
    keys = [*authorized_keys, *config.get("ssh_authorized_keys", [])]
    accounts = {"root": Account("root", keys)}
    for entry in config.get("users", ["default"]):
        user = _user(entry, keys, default_user)
        accounts[user.name] = user
    others = [name for name in accounts if name != "root"]
    if others and accounts["root"].authorized_keys is keys and config.get("disable_root", True):
        accounts["root"] = Account("root", [REFUSED_ROOT.format(user=others[0]) + key for key in keys])
    return list(accounts.values())


def _user(entry: str | dict[str, Any], keys: list[str], default_user: str) -> Account:
    if entry == "default":
        return Account(default_user, keys)
    if isinstance(entry, str):
        return Account(entry, [])
    own = cast("list[str]", entry.get("ssh_authorized_keys", []))
    return Account(entry["name"], own, entry.get("shell", "/bin/bash"))


def _file(entry: dict[str, Any]) -> File:
    content = str(entry.get("content", "")).encode()
    if entry.get("encoding") in {"b64", "base64"}:
        content = base64.b64decode(content)
    return File(entry["path"], content, str(entry.get("permissions", "0644")), entry.get("owner", "root:root"))


def _script(commands: list[str | list[str]]) -> str:
    lines = [command if isinstance(command, str) else shlex.join(map(str, command)) for command in commands]
    return "\n".join(["#!/bin/sh", *lines, ""]) if lines else ""
