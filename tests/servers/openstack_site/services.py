"""The processes of a running site."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

from tests.servers.openstack_site import mariadb, settings
from tests.servers.openstack_site.layout import PORTS, Layout

START_SECONDS = 120.0
PACKAGE = "tests.servers.openstack_site"
SERVED = ("keystone", "placement", "glance", "neutron")  # each is an application of WSGI; Nova is more


class Services:
    """What runs, by name."""

    def __init__(self, layout: Layout) -> None:
        """Nothing runs before ``start``."""
        self._layout = layout
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_database(self) -> None:
        """Start MariaDB, and wait until it answers."""
        self._running["mariadb"] = mariadb.start(self._layout)

    def start(self, *names: str) -> None:
        """Start services; they answer some seconds later."""
        for name in names:
            if name in SERVED:
                words = [f"{PACKAGE}.serve", f"{name}.wsgi.api", self._layout.address, str(PORTS[name])]
            else:
                words = [f"{PACKAGE}.compute"]
            self._running[name] = run(self._layout, name, sys.executable, "-m", *words)

    def wait_until_up(self, *names: str) -> None:
        """Wait until the services answer. Raises RuntimeError when one has ended instead."""
        for name in names:
            wait_until_up(self._layout, name, self._running[name])

    def stop(self) -> None:
        """End them all; what they have in the database stays there."""
        for process in reversed(self._running.values()):
            process.terminate()
            process.wait()
        self._running.clear()


def run(layout: Layout, log: str, *command: str) -> subprocess.Popen[bytes]:
    """Start a command of the site, whose output goes to the log of that name."""
    with (layout.logs / log).open("ab") as file:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=settings.environment(layout))


def wait_until_up(layout: Layout, name: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a service answers. Raises RuntimeError when it doesn't, or its process has ended."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers(layout.url(name)):
        if (process and process.poll() is not None) or time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start: {(layout.logs / name).read_text()[-2000:]}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    with suppress(OSError):
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except urllib.error.HTTPError as answer:
            return answer.code < 500
        return True
    return False
