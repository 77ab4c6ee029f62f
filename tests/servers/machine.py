"""A virtual machine of a cloud as its users see it: a disk, accounts, a process table and an SSH server of its own.

It is made of namespaces (Linux, root). Its disk is a layer over the disk of this machine, which stays as it is: whatever is
written, installed or deleted on it is gone when the virtual machine is destroyed. The network is shared with this machine, so
that each listens on an address of its own on the loopback device.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers import cloud_init, process_table

PROGRAM = "/usr/sbin/sshd"
# What root and users have here is not what they have there. A folder so marked shows nothing of the folder beneath.
EMPTY_FOLDERS = ("root", "home", "etc/ssh", "var/lib/cloud", "var/tmp")
OPAQUE = "trusted.overlay.opaque"

# Programs that run machines do so in here: what they have started ends with them, and disks are in memory. Not every file
# system can hold the upper layer of an overlay, but tmpfs can.
ROOM = 'mount -t tmpfs -o mode=700 tmpfs "$0"; exec "$@"'

BOOT = """
hostname {name}
cd {folder}
mount -t overlay -o lowerdir=/,upperdir=disk,workdir=work overlay root
mount -t proc proc root/proc
mount --rbind /sys root/sys
mount --rbind /dev root/dev
mount -t tmpfs -o mode=1777 tmpfs root/tmp
mount -t tmpfs -o mode=755 tmpfs root/run
exec chroot root /bin/sh -e /var/lib/cloud/boot
"""

# The SSH server becomes the first process, and answers while the user's script still runs.
INNER_BOOT = """
mkdir -p /run/sshd /run/cloud-init /run/lock
cd /root
if [ -s /var/lib/cloud/bootcmd ]; then sh /var/lib/cloud/bootcmd; fi
if [ ! -e /var/lib/cloud/instance/sem/init ]; then . /var/lib/cloud/init; fi
sh /var/lib/cloud/final &
exec {program} -D -e -E /var/log/auth.log
"""

FINAL = """
errors='[]'
if [ -s /var/lib/cloud/instance/scripts/user ] && [ ! -e /var/lib/cloud/instance/sem/final ]; then
    /var/lib/cloud/instance/scripts/user < /dev/null || errors='["(scripts_user, exit status '$?')"]'
fi
touch /var/lib/cloud/instance/sem/final
echo '{"v1": {"datasource": "DataSourceEc2Local", "errors": '"$errors"'}}' > /run/cloud-init/result.json
date > /var/lib/cloud/instance/boot-finished
"""

# As the real one answers: https://docs.cloud-init.io, "CLI commands", status.
CLOUD_INIT = """#!/bin/sh
[ "$1" = status ] || { echo "cloud-init: the tests' machines know only: cloud-init status [--wait]" >&2; exit 2; }
while [ ! -e /var/lib/cloud/instance/boot-finished ] || [ ! -e /run/cloud-init/result.json ]; do
    [ "$2" = --wait ] || { echo "status: running"; exit 0; }
    printf .
    sleep 0.1
done
[ "$2" != --wait ] || echo
if grep -q '"errors": \\[\\]' /run/cloud-init/result.json; then echo "status: done"; else echo "status: error"; exit 1; fi
"""

SSHD_CONFIG = """
ListenAddress {address}:{port}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
LogLevel VERBOSE
MaxStartups 200
Subsystem sftp internal-sftp
"""


def room(folder: Path) -> list[str]:
    """The words before a command that runs machines in ``folder``: they end with it, and the folder is in memory."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", ROOM, str(folder)]


class Machine:
    """One virtual machine; nothing runs before ``power_on``.

    Attributes:
        name: the host name.
        address, port: where its SSH server listens.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        address: str,
        port: int,
        user_data: str = "",
        authorized_keys: Sequence[str] = (),
        default_user: str = "root",
    ) -> None:
        """Lay out the machine's disk in ``folder``, which doesn't exist and is in memory (see ``room``).

        Args:
            folder: of its own.
            name: becomes the host name.
            address: on the loopback device, which no other machine listens on.
            port: of the SSH server.
            user_data: text for cloud-init, not encoded.
            authorized_keys: public keys of the default user.
            default_user: who may log in unless user data says otherwise; root is told so, if it's another.
        """
        self.name, self.address, self.port = name, address, port
        self._folder, self._disk = folder, folder / "disk"
        self._unshare: subprocess.Popen[bytes] | None = None
        for part in ("disk", "work", "root"):
            (folder / part).mkdir(parents=True)
        for part in EMPTY_FOLDERS:
            (self._disk / part).mkdir(parents=True)
            os.setxattr(self._disk / part, OPAQUE, b"y")
        (self._disk / "root").chmod(0o700)
        (self._disk / "var/tmp").chmod(0o1777)
        instructions = cloud_init.read(user_data, list(authorized_keys), default_user)
        self._install(instructions)
        self._add_host_keys(instructions.host_keys)
        self._write_first_boot(instructions)

    def _install(self, instructions: cloud_init.Instructions) -> None:
        self._write("etc/hostname", self.name + "\n")
        self._write("etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        self._write("etc/resolv.conf", Path("/etc/resolv.conf").read_text())  # where it is mounted, it is not part of the disk
        self._write("etc/ssh/sshd_config", SSHD_CONFIG.format(address=self.address, port=self.port))
        self._write("usr/local/bin/cloud-init", CLOUD_INIT, 0o755)
        self._write("var/lib/cloud/boot", INNER_BOOT.format(program=PROGRAM))
        self._write("var/lib/cloud/bootcmd", instructions.boot_script)
        self._write("var/lib/cloud/final", FINAL)
        self._write("var/lib/cloud/instance/scripts/user", instructions.script, 0o700)

    def _add_host_keys(self, keys: dict[str, str]) -> None:
        for kind, key in keys.items():
            self._write(f"etc/ssh/ssh_host_{kind}_key", key.rstrip() + "\n", 0o600)
        folder = self._disk / "etc/ssh"
        if not keys:
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{self.name}", "-f", "ssh_host_ed25519_key"]
            subprocess.run(command, check=True, cwd=folder)
        config = folder / "sshd_config"
        for private in sorted(folder.glob("ssh_host_*_key")):
            public = subprocess.run(["ssh-keygen", "-y", "-f", private], check=True, capture_output=True, text=True).stdout
            private.with_suffix(".pub").write_text(public)
            config.write_text(config.read_text() + f"HostKey /etc/ssh/{private.name}\n")

    def _write_first_boot(self, instructions: cloud_init.Instructions) -> None:
        lines: list[str] = []  # a password of "*" matches none, and does not lock the account as "!" would
        for account in instructions.accounts:
            self._write(
                f"var/lib/cloud/seed/{account.name}", "".join(key.strip() + "\n" for key in account.authorized_keys), 0o600
            )
            name, shell = shlex.quote(account.name), shlex.quote(account.shell)
            lines += [
                f"id -u {name} > /dev/null 2>&1 || useradd --create-home --password '*' --shell {shell} {name}",
                f"home=$(getent passwd {name} | cut -d: -f6)",
                f'install -d -o {name} -g "$(id -g {name})" -m 700 "$home" "$home/.ssh"',
                f'install -o {name} -g "$(id -g {name})" -m 600 /var/lib/cloud/seed/{name} "$home/.ssh/authorized_keys"',
            ]
        for number, file in enumerate(instructions.files):
            self._write(f"var/lib/cloud/seed/files/{number}", file.content)
            lines += [
                f"install -D -m {shlex.quote(file.permissions)} /var/lib/cloud/seed/files/{number} {shlex.quote(file.path)}",
                f"chown {shlex.quote(file.owner)} {shlex.quote(file.path)}",
            ]
        lines += ["mkdir -p /var/lib/cloud/instance/sem", "touch /var/lib/cloud/instance/sem/init"]
        self._write("var/lib/cloud/init", "\n".join(lines) + "\n")

    def _write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        file = self._disk / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def power_on(self) -> None:
        """Boot. The SSH server answers a moment later: after what must come before it, and before user scripts end."""
        script = BOOT.format(name=self.name, folder=self._folder)
        command = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "sh", "-ec", script]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        with (self._folder / "console").open("ab") as console:
            self._unshare = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment)

    def power_off(self) -> None:
        """Cut the power: all that runs on it is gone at once, its disk is kept. A machine that is off stays off."""
        if self._unshare:
            process_table.end_namespace(self._unshare)
            self._unshare = None

    def destroy(self) -> None:
        """Cut the power, and delete its disk."""
        self.power_off()
        shutil.rmtree(self._folder)

    @property
    def runs(self) -> bool:
        """Whether it has power, and has not shut itself down."""
        return self._unshare is not None and self._unshare.poll() is None

    def console(self) -> str:
        """What it wrote to its console: the host keys, as cloud-init shows them, and the output of user scripts."""
        folder = self._disk / "etc/ssh"
        keys = "".join(file.read_text() for file in sorted(folder.glob("*.pub")))
        fingerprints = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=keys, check=True, capture_output=True, text=True)
        return (
            "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n"
            f"{fingerprints.stdout}"
            "-----END SSH HOST KEY FINGERPRINTS-----\n"
            "-----BEGIN SSH HOST KEY KEYS-----\n"
            f"{keys}"
            "-----END SSH HOST KEY KEYS-----\n"
            f"{(self._folder / 'console').read_text(errors='replace')}"
        )
