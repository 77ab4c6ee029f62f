"""A real OpenSSH server that behaves like a host of its own: address, host name, accounts, home, /tmp and process table.

The host lives in its own mount, UTS and PID namespaces (Linux, root). All that it changes is mounted inside them, so that the
machine's users and files stay as they are, and all that it runs dies with its first process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from tests.servers import loopback, process_table, sshd_log
from tests.servers.ports import free_port

PROGRAM = Path("/usr/sbin/sshd")  # it executes itself again for every connection, and asks for the full path
USER_ID, GROUP_ID = 54321, 100
START_SECONDS = 120.0

# First of all the mounts from the host's folder: what follows may hide it, when it is below /tmp.
BOOT = """
hostname {name}
mount --bind {folder}/ssh /etc/ssh
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/shadow /etc/shadow
mount --bind {folder}/homes /home
if [ -d {folder}/hidden ]; then mount -t overlay -o lowerdir={folder}/hidden:/usr/bin overlay /usr/bin; fi
mount -t tmpfs -o {tmp_options} tmpfs /tmp
mkdir -p /run/sshd
exec {program} -D -e
"""

# OpenSSH takes the first value of a keyword: the test's own lines come before these.
CONFIG = """
ListenAddress {address}:{port}
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication {password}
KbdInteractiveAuthentication no
PidFile none
LogLevel VERBOSE
"""


class Options(TypedDict, total=False):
    """How a host may differ from a plain one."""

    config: str  # lines of sshd_config; they win over the usual ones
    shell: str  # the user's login shell, /bin/bash unless given
    bashrc: str  # text of ~/.bashrc, which bash reads also for a command that comes over SSH
    password: str  # lets the user in, beside the key
    sftp: bool  # whether there is an SFTP subsystem, True unless given
    no_bash: bool  # no bash on this host; the login shell is /bin/sh unless given
    noexec_tmp: bool  # no program in /tmp may be executed


@dataclass(frozen=True, slots=True)
class Network:
    """A network namespace other than the machine's, and the address that a host in it has."""

    address: str
    namespace: Path


class SSHD:
    """One host with one user, ``lab``, who may log in with ``private_key`` (or ``password``, if there is one).

    Attributes:
        home: the host's /home/lab as a folder of this machine.
        log: what the server wrote, at LogLevel VERBOSE.
        host_key_line, known_hosts: the host's key as a line of a known_hosts file, and a file that holds it.
    """

    user = "lab"

    def __init__(
        self, folder: Path, number: int, private_key: Path, network: Network | None = None, **options: Unpack[Options]
    ) -> None:
        """Lay out the host's files below ``folder``; nothing runs before ``start``.

        Args:
            number: makes the host's name and, without ``network``, its address on the loopback device.
            private_key: of the client, with the public half beside it.
            network: where the host is, if not on the loopback device.
            options: what is not as usual.
        """
        self.name = f"n{number}"
        self.address = network.address if network else f"{loopback.HOSTS}.{number}"
        self.port = 2222 if network else free_port()
        self.private_key = private_key
        self.log = folder / "log"
        self.home = folder / "homes" / self.user
        self.known_hosts = folder / "known_hosts"
        self._folder, self._network, self._options = folder, network, options
        self._unshare: subprocess.Popen[bytes] | None = None
        self._lay_out_ssh()
        self._lay_out_accounts()
        if options.get("no_bash"):
            _hide(folder / "hidden", "bash", "rbash")
        self.home.mkdir(parents=True)
        self._furnish_home()

    def _lay_out_ssh(self) -> None:
        ssh = self._folder / "ssh"
        ssh.mkdir(parents=True)
        host_key = ssh / "ssh_host_ed25519_key"
        make_key(host_key)
        self.host_key_line = f"[{self.address}]:{self.port} {' '.join(_public(host_key).split()[:2])}"
        self.known_hosts.write_text(self.host_key_line + "\n")
        (ssh / "authorized_keys").write_text(_public(self.private_key))
        password = "yes" if self._options.get("password") else "no"
        sftp = "Subsystem sftp internal-sftp\n" if self._options.get("sftp", True) else ""
        own = CONFIG.format(address=self.address, port=self.port, password=password)
        (ssh / "sshd_config").write_text(self._options.get("config", "") + own + sftp)

    def _lay_out_accounts(self) -> None:
        shell = self._options.get("shell", "/bin/sh" if self._options.get("no_bash") else "/bin/bash")
        account = f"{self.user}:x:{USER_ID}:{GROUP_ID}::/home/{self.user}:{shell}\n"
        others = [line for line in Path("/etc/passwd").read_text().splitlines(True) if not line.startswith(f"{self.user}:")]
        (self._folder / "passwd").write_text("".join(others) + account)
        # '*' can't be matched by any password, yet the account isn't locked as it would be with '!'.
        password = self._options.get("password")
        secret = _hashed(password) if password else "*"
        (self._folder / "shadow").write_text(f"{self.user}:{secret}:19000:0:99999:7:::\n")

    def _furnish_home(self) -> None:
        if bashrc := self._options.get("bashrc"):
            (self.home / ".bashrc").write_text(bashrc)
        os.chown(self.home, USER_ID, GROUP_ID)
        self.home.chmod(0o700)

    def start(self) -> None:
        """Boot the host and wait until its server listens. Raises RuntimeError with the log's end when it doesn't."""
        tmp_options = "mode=1777,noexec" if self._options.get("noexec_tmp") else "mode=1777"
        script = BOOT.format(name=self.name, folder=self._folder, tmp_options=tmp_options, program=PROGRAM)
        command = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", script]
        if self._network:
            command = ["nsenter", f"--net={self._network.namespace}", *command]
        with self.log.open("ab") as log:  # appending: the log may be cut short while the server writes to it
            position = log.tell()
            # In a session of its own: a controller may have made the host, and is killed with its group.
            self._unshare = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while b"Server listening on" not in self.log.read_bytes()[position:]:
            if self._unshare.poll() is not None or time.monotonic() > deadline:
                self._unshare.kill()
                raise RuntimeError(f"{self.name} did not start: {self.log.read_text()[-500:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Cut the power: the host and everything that runs on it is gone at once. A host that is off stays off."""
        if self._unshare is None:
            return
        process_table.end_namespace(self._unshare)
        self._unshare = None
        self.home = self._folder / "homes" / self.user

    def restart(self) -> None:
        """Cut the power and boot again: same address, keys and home; an empty /tmp, and no limit to the home."""
        self.stop()
        self.start()

    def reset(self, *keep: str) -> None:
        """Make the host as new, and running: no process but the server, home and /tmp empty, an empty log.

        Processes of the programs ``keep`` go on.
        """
        if self.home.is_relative_to("/proc"):  # a small disk lies over it, until the host stops
            self.stop()
        if self._unshare is None:
            self.start()
        self.thaw()
        first = self._first_process()
        while others := [pid for pid in self._processes() if pid != first and process_table.program(pid) not in keep]:
            process_table.send(signal.SIGKILL, others)
            time.sleep(0.005)
        for folder in (self.home, self.root / "tmp"):
            _empty(folder)
        self._furnish_home()
        os.truncate(self.log, 0)

    def freeze(self) -> None:
        """Stop every process in its tracks: the kernel still takes connections, and nobody answers."""
        frozen: set[int] = set()
        while running := set(self._processes()) - frozen:  # again, for what was started in between
            process_table.send(signal.SIGSTOP, running)
            frozen |= running

    def thaw(self) -> None:
        """Let every process go on."""
        process_table.send(signal.SIGCONT, self._processes())

    def kill_sessions(self) -> None:
        """Kill the server's processes of every connection; the listener, and what users left running, go on."""
        first = self._first_process()
        process_table.send(signal.SIGKILL, (pid for pid in self._processes() if pid != first and _is_server(pid)))
        with self.log.open("a") as log:
            log.write(sshd_log.SESSIONS_KILLED + "\n")

    def processes(self) -> list[str]:
        """The command lines of what runs on the host, apart from its SSH server."""
        return [line for pid in self._processes() if not _is_server(pid) and (line := process_table.command_line(pid))]

    def connections(self) -> int:
        """How many logins have succeeded since the log began."""
        return sshd_log.logins(self.log.read_text())

    def most_connections_at_once(self) -> int:
        """The largest number of logins that were open at one time since the log began."""
        return sshd_log.most_at_once(self.log.read_text())

    def limit_home(self, size: int) -> None:
        """Put an empty disk of ``size`` bytes in the place of the home, until the host stops; ``home`` follows."""
        options = f"size={size},uid={USER_ID},gid={GROUP_ID},mode=700"
        subprocess.run(self.inside("mount", "-t", "tmpfs", "-o", options, "tmpfs", f"/home/{self.user}"), check=True)
        self.home = self.root / "home" / self.user
        self._furnish_home()

    @property
    def power(self) -> int:
        """The process of this machine with which the host ends."""
        if self._unshare is None:
            raise RuntimeError(f"{self.name} is off: start it first")
        return self._unshare.pid

    @property
    def root(self) -> Path:
        """The host's / as a folder of this machine, for as long as the host runs."""
        return Path(f"/proc/{self._first_process()}/root")

    def inside(self, *command: str) -> list[str]:
        """The words that run a command on the host as root, without its SSH server; the command ends with the host."""
        return ["nsenter", f"--target={self._first_process()}", "--mount", "--uts", "--net", "--pid", *command]

    def _first_process(self) -> int:
        return process_table.only_child(self.power)

    def _processes(self) -> list[int]:
        return process_table.beside(self._first_process()) if self._unshare else []


def make_key(path: Path) -> None:
    """Make an Ed25519 key without a pass phrase, the public half in ``path.pub``."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path], check=True)


def _public(private_key: Path) -> str:
    return private_key.with_name(private_key.name + ".pub").read_text()


def _hashed(password: str) -> str:
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, text=True, capture_output=True, check=True).stdout.strip()


def _hide(folder: Path, *programs: str) -> None:
    """Make a layer that, laid over a folder, takes the programs out of it."""
    folder.mkdir()
    for program in programs:
        os.mknod(folder / program, 0o020000, os.makedev(0, 0))  # how an overlay file system marks what is deleted


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)  # a job that is being ended takes what is its own along


def _is_server(pid: int) -> bool:
    return process_table.program(pid).startswith("sshd")  # newer ones have sshd-session and sshd-auth, too
