"""A real OpenStack on the loopback device, whose servers are machines with SSH servers, disks and processes of their own.

Keystone, Glance, Placement, Neutron and Nova run in a process table of their own: when that ends, for whatever reason, every
server and all that runs there has ended. What its users can't see is offered here: limits, faults, power cuts, what is left.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import socket
import subprocess
import threading
from pathlib import Path
from typing import IO, Any, Literal

from tests.servers import process_table
from tests.servers.machine import room
from tests.servers.ports import free_port

ENVIRONMENT = Path("/var/cache/chiminey-tests/openstack")  # where scripts/test installs it
REPOSITORY = Path(__file__).parents[2]
SITE = Path(__file__).with_name("openstack_site")
PROGRAMS = ("mariadbd", "mariadb-install-db")
STATE_MAKERS = (
    "requirements.lock",
    "catalogue.py",
    "foundation.py",
    "keystone_tables.py",
    "layout.py",
    "mariadb.py",
    "neutron_tables.py",
    "nova_tables.py",
    "settings.py",
)
MOST_AT_ONCE = 8  # sites on this machine, of whichever test run

CLOUDS = """
clouds:
  lab:
    auth:
      auth_url: {auth_url}
      username: {user}
      password: {password}
      project_name: {project}
      user_domain_name: Default
      project_domain_name: Default
    region_name: {region}
  lab-application-credential:
    auth_type: v3applicationcredential
    auth:
      auth_url: {auth_url}
      application_credential_id: {credential_id}
      application_credential_secret: {credential_secret}
    region_name: {region}
"""


class OpenStack:
    """One site, with one project and one user in it.

    Attributes:
        auth_url: of Keystone, with its version; ``region`` is the only one there.
        user, password, project, project_id, domain: who may come in.
        credential_id, credential_secret: the same user's application credential.
        clouds: a clouds.yaml that knows the site as ``lab`` and, by the credential, as ``lab-application-credential``.
        ssh_port: where servers take connections, at fixed addresses and at floating ones.
    """

    region = "Melbourne"
    domain = "Default"
    image = "debian-12"  # whose default user may log in
    default_user = "debian"
    network, floating_network = "private", "public"
    auth_url = user = password = project = project_id = credential_id = credential_secret = ""

    def __init__(self, folder: Path) -> None:
        """Plan a site that keeps what it has below ``folder``; nothing runs before ``start``."""
        self.clouds = folder / "clouds.yaml"
        self.ssh_port = 22
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._number: IO[str] | None = None
        self._talk = threading.Lock()

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with the log's end when it doesn't.

        The first start of all takes a minute longer: it makes a state that the later ones copy.
        """
        machines, log = self._folder / "site" / "machines", self._folder / "log"
        machines.mkdir(parents=True)
        self._folder.chmod(0o700)
        number, self._number = _take_number()
        self.ssh_port = _ssh_port(f"127.62.{number}.1")
        words = [self._folder / "site", number, self.ssh_port, ENVIRONMENT / f"state-{_version()}-{number}"]
        command = [*room(machines), ENVIRONMENT / "bin" / "python", "-m", "tests.servers.openstack_site"]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(word) for word in (*command, *words)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=REPOSITORY,
            )
        for name, value in self._answer().items():
            setattr(self, name, value)
        facts = {name: getattr(self, name) for name in ("auth_url", "user", "password", "project", "region")}
        self.clouds.write_text(CLOUDS.format(**facts, credential_id=self.credential_id, credential_secret=self.credential_secret))
        self.clouds.chmod(0o600)

    def stop(self) -> None:
        """Let the site vanish, with every server. One that has not been started stays so."""
        if self._process:
            with self._process:
                process_table.end_namespace(self._process)
            self._process = None
        if self._number:
            self._number.close()
            self._number = None

    def reset(self) -> None:
        """Make the site as new: nothing in the project, no limit of the test's, no fault."""
        self._ask("clear")

    def left(self) -> dict[str, list[str]]:
        """The names, or else addresses, of all that is in the project by kind.

        Kinds: ``servers``, ``key pairs``, ``security groups``, ``floating addresses``, ``ports``; those of which there is nothing
        are left out.
        """
        return self._ask("left")

    def limit_servers(self, servers: int) -> None:
        """Let the project have only so many servers at a time, until the next reset."""
        self._ask("limit_servers", servers)

    def fail(self, fault: Literal["spawn", "boot"], servers: int = 1) -> None:
        """Let the next servers fail: ``spawn`` makes them ERROR, ``boot`` ACTIVE, but without an SSH server."""
        self._ask("plan_fault", fault, servers)

    def cut_power(self, server: str) -> None:
        """Kill all that runs on a server, by its id; Nova does not notice, and says ACTIVE."""
        self._ask("cut_power", server)

    def processes(self, server: str) -> list[str]:
        """The command lines of what runs on a server, by its id, with its SSH server; none when it is off or gone."""
        return self._ask("processes", server)

    def all_processes(self) -> list[str]:
        """The command lines of what runs for the site: services and servers."""
        pids = process_table.descendants(self._process.pid) if self._process else []
        return [line for pid in pids if (line := process_table.command_line(pid))]

    def _ask(self, method: str, *arguments: object) -> Any:
        assert self._process, "the site is off: start it first"
        assert self._process.stdin
        with self._talk:
            self._process.stdin.write(json.dumps([method, arguments]) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"OpenStack has ended: {(self._folder / 'log').read_text()[-3000:]}")
        return json.loads(line)


def _take_number() -> tuple[int, IO[str]]:
    """A number that no other running site has, and the file that holds it for as long as it is open."""
    for number in range(MOST_AT_ONCE):
        file = (ENVIRONMENT / f"number-{number}").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return number, file
    raise RuntimeError(f"{MOST_AT_ONCE} OpenStacks run on this machine: stop one of them")


def _version() -> str:
    """Changes when anything does that states are made by."""
    digest = hashlib.sha256()
    for name in STATE_MAKERS:
        digest.update((SITE / name).read_bytes())
    return digest.hexdigest()[:12]


def _ssh_port(address: str) -> int:
    """22, as with real servers, unless this machine has an SSH server on every address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 22))
        except OSError:
            return free_port()
    return 22
