"""What a new machine is told: a #cloud-config for cloud-init, with the host key that it has to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import yaml

from blocks.errors import InvalidRequest

_HEADER = "#cloud-config"
_SCRIPT = "/var/lib/chiminey/user-data"

# Before anything else, and at every boot: user data of the user's own, or packages of the image's, may hang.
_PATIENT_APT = """if [ -d /etc/apt/apt.conf.d ]; then
    echo 'DPkg::Lock::Timeout "300";' >/etc/apt/apt.conf.d/99chiminey
fi
"""  # for many images update themselves when they start
_WATCHMAN = """mkdir -p /var/lib/chiminey
cat >/var/lib/chiminey/unattended <<'END'
# Powers the machine off when nobody has been logged in over SSH for so many minutes: whoever made it may have gone away.
minutes=0
while [ "$minutes" -lt {limit} ]; do
    sleep 60
    minutes=$((minutes + 1))
    if grep -aqs '^sshd[a-z-]*: [^ ]*@' /proc/[0-9]*/cmdline; then minutes=0; fi
done
exec shutdown -h now
END
nohup setsid sh /var/lib/chiminey/unattended >/dev/null 2>&1 </dev/null &
"""


def compose(host_key: tuple[str, str], login_line: str, unattended_minutes: int, users: str) -> str:
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
        "bootcmd": [_PATIENT_APT, *([_WATCHMAN.format(limit=unattended_minutes)] if unattended_minutes else [])],
    }
    own: dict[str, Any] = {}
    if users.startswith("#!"):
        own = {
            "write_files": [{"path": _SCRIPT, "permissions": "0755", "owner": "root:root", "content": users}],
            "runcmd": [_SCRIPT],
        }
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


def _joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """All of them as one: lists are joined, and of what else occurs twice the first holds."""
    whole: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            there = whole.get(name)
            whole[name] = [*there, *value] if isinstance(there, list) and isinstance(value, list) else whole.get(name, value)
    return whole
