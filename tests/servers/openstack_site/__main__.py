"""Run a site: ``python -m tests.servers.openstack_site FOLDER NUMBER SSH_PORT CACHE``, in a ``room`` of its machines.

When the site is ready it writes a line of JSON, what a user needs to know. Then every line of standard input, such as
``["limit_servers", [2]]``, calls a method of ``Control``, and is answered by a line of JSON. With the end of standard input
everything ends, whichever way the program that wrote there has ended.

What takes long is making the first state. It is kept in the folder CACHE, and serves every later site of the same number.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from tests.servers.openstack_site import catalogue, foundation, mariadb, settings
from tests.servers.openstack_site.control import Control
from tests.servers.openstack_site.layout import PROJECT, USER, Layout
from tests.servers.openstack_site.services import Services


def build(layout: Layout) -> None:
    """Make the state of a new site, in which nothing runs yet."""
    services = Services(layout)
    mariadb.install(layout)
    services.start_database()
    mariadb.create_databases(layout)
    tables = foundation.Foundation(layout)
    tables.wait_for("keystone")
    services.start("keystone")
    services.wait_until_up("keystone")
    catalogue.enrol(layout)
    tables.wait_for("glance", "neutron", "nova")
    services.start("placement", "glance", "neutron", "nova")
    services.wait_until_up("placement", "glance", "neutron", "nova")
    catalogue.furnish(layout)
    services.stop()


def prepare(layout: Layout, cache: Path) -> None:
    """Take the state from the cache. What is not there yet is made, and kept there."""
    for folder in (layout.logs, layout.faults):
        folder.mkdir(mode=0o700, exist_ok=True)
    if cache.is_dir():
        shutil.copytree(cache, layout.state)
        settings.write(layout)
        return
    foundation.choose_password(layout)
    settings.write(layout)
    build(layout)
    for outdated in cache.parent.glob(f"state-*-{layout.number}*"):
        shutil.rmtree(outdated)
    unfinished = cache.with_suffix(".unfinished")
    shutil.copytree(layout.state, unfinished)
    unfinished.rename(cache)


def run(layout: Layout) -> None:
    """Start everything, and answer until standard input ends."""
    services = Services(layout)
    services.start_database()
    services.start("keystone", "placement", "glance", "neutron", "nova")
    services.wait_until_up("keystone", "placement", "glance", "neutron", "nova")
    control = Control(layout)
    credential = json.loads((layout.state / "application-credential").read_text())
    who = {"user": USER, "project": PROJECT, "project_id": control.project_id, "password": layout.password}
    say({"auth_url": layout.identity_url} | who | {f"credential_{part}": value for part, value in credential.items()})
    for line in sys.stdin:
        name, arguments = json.loads(line)
        say(getattr(control, name)(*arguments))


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201


def main(folder: str, number: str, ssh_port: str, cache: str) -> None:
    layout = Layout(Path(folder), int(number), int(ssh_port))
    os.environ.update(settings.environment(layout))
    prepare(layout, Path(cache))
    run(layout)


if __name__ == "__main__":
    main(*sys.argv[1:])
