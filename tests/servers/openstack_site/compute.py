"""Nova in one process: conductor, scheduler, compute and API, which talk by RPC within it."""

from __future__ import annotations

import sys
from pathlib import Path

import nova.cmd.compute  # the first of Nova: it chooses threads, before others would choose eventlet
import nova.virt
import os_vif
from nova import context, objects, service
from nova.api.openstack import wsgi_app
from nova.compute.rpcapi import RPC_TOPIC_ALT
from nova.objects import host_mapping

from tests.servers.openstack_site.layout import PORTS, Layout, here
from tests.servers.openstack_site.serve import serve
from tests.servers.openstack_site.services import wait_until_up

PARTS = {"conductor": None, "scheduler": None, "compute": RPC_TOPIC_ALT}


def main(layout: Layout) -> None:
    sys.argv = sys.argv[:1]  # services look for options of theirs
    settings = layout.settings / "nova"
    wsgi_app.init_global_data([str(settings / "api-paste.ini"), str(settings / "nova.conf")], "nova", "nova")
    nova.virt.__path__.append(str(Path(__file__).parent))  # the only package where Nova looks for a virt driver
    objects.register_all()
    os_vif.initialize()
    for other in ("keystone", "placement"):
        wait_until_up(layout, other)
    for part, other_topic in PARTS.items():
        service.Service.create(binary=f"nova-{part}", topic=part, topic_alt=other_topic).start()
    host_mapping.discover_hosts(context.get_admin_context())  # as an operator does after adding one
    serve(wsgi_app.init_application("osapi_compute", "nova"), layout.address, PORTS["nova"])


if __name__ == "__main__":
    main(here())
