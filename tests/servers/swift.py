"""A real OpenStack Swift on the loopback device: one replica, its own API with version 1 of authentication, and S3's.

The five programs and memcached, where the tokens are, end when the process that started them does.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx

from tests.servers.ports import free_ports

ENVIRONMENT = Path("/var/cache/chiminey-tests/swift")  # where scripts/test installs it
KINDS = ("account", "container", "object")
PIPELINE = "catch_errors proxy-logging cache listing_formats bulk s3api tempauth copy container_quotas slo dlo proxy-server"

SWIFT = """
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""

DEFAULT = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
log_level = WARNING
"""

SERVER = """
devices = {folder}/node
mount_check = false
db_preallocation = off
fallocate_reserve = 0
disable_fallocate = true
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
{patience}
"""

# However slow the machine is, nobody is taken for dead.
PATIENCE = """
conn_timeout = 60
node_timeout = 120
container_update_timeout = 120
error_suppression_limit = 1000000
"""
ANSWER_SECONDS = 120.0

PROXY = """
[pipeline:main]
pipeline = {pipeline}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
{patience}
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {key} .admin
user_test_reader = {key}
storage_url_scheme = http
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
memcache_max_connections = 64
connect_timeout = 60
pool_timeout = 60
io_timeout = 120
error_suppression_limit = 1000000
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:container_quotas]
use = egg:swift#container_quotas
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:copy]
use = egg:swift#copy
"""


class Swift:
    """One site with one account, in which ``user`` may do everything and ``reader`` nothing.

    Attributes:
        endpoint: of S3's API, where ``user`` is the access key and ``key`` the secret.
        auth_url: of version 1 of Swift's authentication.
    """

    user, reader, key = "test:tester", "test:reader", "the-key-of-the-tests"

    def __init__(self, folder: Path) -> None:
        """Plan a site that keeps what it has below ``folder``; nothing runs before ``start``."""
        self._folder = folder
        self._ports = dict(zip((*KINDS, "proxy", "memcached"), free_ports(5), strict=True))
        self._running = dict[str, subprocess.Popen[bytes]]()
        self.endpoint = f"http://127.0.0.1:{self._ports['proxy']}"
        self.auth_url = f"{self.endpoint}/auth/v1.0"

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises RuntimeError with the log's end when it doesn't."""
        self._write_settings()
        memcached = ["memcached", "-l", "127.0.0.1", "-p", str(self._ports["memcached"]), "-U", "0", "-m", "16"]
        self._run("memcached", memcached + (["-u", "nobody"] if os.geteuid() == 0 else []))
        for kind in KINDS:
            self._run(kind, [f"{ENVIRONMENT}/bin/swift-{kind}-server", f"{self._folder}/{kind}-server.conf"])
        self.come_back()

    def stop(self) -> None:
        """End every program. One that has not been started stays so."""
        for name in list(self._running):
            self._end(name)

    def go_away(self) -> None:
        """Stop answering: connections are refused, and those that there are, cut."""
        self._end("proxy")

    def come_back(self) -> None:
        """Answer again, if it does not. It ends with the thread that calls this."""
        if "proxy" not in self._running:
            self._run("proxy", [f"{ENVIRONMENT}/bin/swift-proxy-server", f"{self._folder}/proxy-server.conf"])

    def limit(self, container: str, most: int | None) -> None:
        """Let a container hold only so many bytes; None: any number."""
        token, url = self.log_in()
        wanted = {"X-Auth-Token": token, "X-Container-Meta-Quota-Bytes": "" if most is None else str(most)}
        httpx.post(f"{url}/{container}", headers=wanted, timeout=ANSWER_SECONDS).raise_for_status()

    def make_container(self, name: str) -> None:
        """Make an empty container, which is a bucket too."""
        token, url = self.log_in()
        httpx.put(f"{url}/{name}", headers={"X-Auth-Token": token}, timeout=ANSWER_SECONDS).raise_for_status()

    def log_in(self) -> tuple[str, str]:
        """A token of the user, and the URL of the account."""
        wanted = {"X-Auth-User": self.user, "X-Auth-Key": self.key}
        answer = httpx.get(self.auth_url, headers=wanted, timeout=ANSWER_SECONDS).raise_for_status()
        return answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]

    def _write_settings(self) -> None:
        user = pwd.getpwuid(os.geteuid()).pw_name
        (self._folder / "node" / "d1").mkdir(parents=True)
        (self._folder / "swift.conf").write_text(SWIFT)
        for kind in (*KINDS, "proxy"):
            default = DEFAULT.format(port=self._ports[kind], user=user, folder=self._folder)
            own = SERVER.format(kind=kind, folder=self._folder, patience=PATIENCE.strip())
            if kind == "proxy":
                own = PROXY.format(pipeline=PIPELINE, key=self.key, memcached=self._ports["memcached"], patience=PATIENCE.strip())
            (self._folder / f"{kind}-server.conf").write_text(default.rstrip() + own)
        for kind in KINDS:
            self._build_ring(kind)

    def _build_ring(self, kind: str) -> None:
        add = ["add", f"r1z1-127.0.0.1:{self._ports[kind]}/d1", "1"]
        for words in (["create", "4", "1", "0"], add, ["rebalance"]):
            command = [f"{ENVIRONMENT}/bin/swift-ring-builder", f"{self._folder}/{kind}.builder", *words]
            subprocess.run(command, check=True, capture_output=True)

    def _run(self, name: str, command: list[str]) -> None:
        log = self._folder / f"{name}.log"
        with log.open("ab") as output:
            together = ["setpriv", "--pdeathsig", "KILL", *command]
            process = subprocess.Popen(together, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._running[name] = process
        while not _listens(self._ports[name]):
            if process.poll() is not None:
                self.stop()
                raise RuntimeError(f"Swift's {name} has ended: {log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _end(self, name: str) -> None:
        with self._running.pop(name) as process:
            process.kill()


def missing() -> str:
    """What a site needs and this machine has not; empty when it has all."""
    if not (ENVIRONMENT / "installed").exists():
        return f"Swift in {ENVIRONMENT}, where scripts/test installs it"
    return ", ".join(program for program in ("memcached", "setpriv") if not shutil.which(program))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
