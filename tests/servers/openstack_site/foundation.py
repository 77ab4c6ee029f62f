"""What a new site needs before its first service can start: tables in the databases, keys, and an administrator."""

from __future__ import annotations

import secrets
import sys
from subprocess import Popen

from tests.servers.openstack_site.layout import Layout
from tests.servers.openstack_site.services import PACKAGE, run


def choose_password(layout: Layout) -> None:
    """Choose the password of all users of the site."""
    layout.state.mkdir(mode=0o700)
    (layout.state / "password").write_text(secrets.token_urlsafe(12))


class Foundation:
    """The tables of every service, which several processes lay at a time. The databases must be there, and empty."""

    def __init__(self, layout: Layout) -> None:
        """Begin."""
        for folder in ("fernet", "credential"):
            (layout.state / folder).mkdir(mode=0o700)
        self._layout = layout
        self._processes: dict[str, Popen[bytes]] = {
            "keystone": self._begin("keystone", sys.executable, "-m", f"{PACKAGE}.keystone_tables"),
            "neutron": self._begin("neutron", sys.executable, "-m", f"{PACKAGE}.neutron_tables"),
            "nova": self._begin("nova", sys.executable, "-m", f"{PACKAGE}.nova_tables"),
            "glance": self._begin(
                "glance", "glance-manage", f"--config-file={layout.settings}/glance/glance-api.conf", "db", "sync"
            ),
        }

    def wait_for(self, *services: str) -> None:
        """Wait until the services may start. Raises RuntimeError with the end of the log when that can't be."""
        for service in services:
            if self._processes[service].wait():
                log = self._layout.logs / f"{service}-tables"
                raise RuntimeError(f"{service} has no tables: {log.read_text()[-2000:]}")

    def _begin(self, service: str, *command: str) -> Popen[bytes]:
        return run(self._layout, f"{service}-tables", *command)
