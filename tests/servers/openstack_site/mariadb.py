"""The MariaDB of a site: SQLite locks up as soon as several servers boot together."""

from __future__ import annotations

import subprocess
import time

from tests.servers.openstack_site.layout import DATABASES, Layout

START_SECONDS = 60.0
SMALL = ["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=128M", "--max-connections=500"]
CARELESS = ["--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--innodb-doublewrite=0"]  # the data don't outlive a crash


def install(layout: Layout) -> None:
    """Make the files of an empty server."""
    accounts = ["--auth-root-authentication-method=normal", "--skip-test-db"]  # no password: nobody else gets at the socket
    with (layout.logs / "mariadb").open("ab") as log:
        subprocess.run(["mariadb-install-db", *_options(layout), *accounts], check=True, stdout=log, stderr=log)


def start(layout: Layout) -> subprocess.Popen[bytes]:
    """Start the server, and wait until it answers. Raises RuntimeError when it doesn't."""
    where = [f"--socket={layout.socket}", "--skip-networking", f"--pid-file={layout.folder}/mariadb.pid"]
    with (layout.logs / "mariadb").open("ab") as log:
        server = subprocess.Popen(
            ["mariadbd", *_options(layout), *where, *CARELESS], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    deadline = time.monotonic() + START_SECONDS
    while _client(layout, "mariadb-admin", "ping").returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"MariaDB did not start: see {layout.logs}/mariadb")
        time.sleep(0.05)
    return server


def create_databases(layout: Layout) -> None:
    """Create the database of every service."""
    statements = "".join(f"create database {name} character set utf8mb3;" for name in DATABASES)
    _client(layout, "mariadb", f"--execute={statements}").check_returncode()


def _options(layout: Layout) -> list[str]:
    return ["--no-defaults", "--user=root", f"--datadir={layout.state}/mariadb", *SMALL]


def _client(layout: Layout, *command: str) -> subprocess.CompletedProcess[bytes]:
    program, *words = command
    return subprocess.run(
        [program, "--no-defaults", "--user=root", f"--socket={layout.socket}", *words], check=False, capture_output=True
    )
