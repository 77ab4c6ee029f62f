"""What a site offers: its services, a project with one user, and what the user finds there to make servers of."""

from __future__ import annotations

import json
from typing import Any

import openstack
from openstack.connection import Connection

from tests.servers.openstack_site.layout import PROJECT, REGION, USER, Layout

SERVICES = {"glance": "image", "placement": "placement", "neutron": "network", "nova": "compute"}
FLAVORS = {  # vCPUs, MB of memory, GB of disk
    "m1.tiny": (1, 512, 1),
    "m1.small": (1, 2048, 20),
    "m1.large": (4, 8192, 80),
    "m1.huge": (2000, 512, 1),  # more than there is: no host is valid
}
IMAGE = "debian-12"
OTHER_DOMAIN = "researchers"  # with a user and a project of its own
FIXED_NETWORK, FLOATING_NETWORK = "private", "public"


def connect(layout: Layout, user: str, project: str) -> Connection:
    """Log in. The user is ``admin`` or the project's own."""
    return openstack.connect(
        auth_url=layout.identity_url,
        username=user,
        password=layout.password,
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=REGION,
    )


def enrol(layout: Layout) -> None:
    """Tell Keystone of the services, the project and its user. It is all that Keystone needs to be told."""
    identity = connect(layout, "admin", "admin").identity
    roles = {role.name: role for role in identity.roles()}
    service_project = identity.create_project(name="service", domain_id="default")
    for name, kind in SERVICES.items():
        account = identity.create_user(name=name, password=layout.password, domain_id="default")
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(service_project, account, roles[role])
        service = identity.create_service(name=name, type=kind)
        url = layout.url(name) + ("/v2.1" if name == "nova" else "")
        for interface in ("public", "internal"):
            identity.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=REGION)
    project = identity.create_project(name=PROJECT, domain_id="default")
    user = identity.create_user(name=USER, password=layout.password, domain_id="default")
    other = identity.create_domain(name=OTHER_DOMAIN)
    guest = identity.create_user(name="guest", password=layout.password, domain_id=other.id)
    den = identity.create_project(name="den", domain_id=other.id)
    for who, where in ((user, project), (guest, project), (guest, den)):
        for role in ("member", "reader"):
            identity.assign_project_role_to_user(where, who, roles[role])


def furnish(layout: Layout) -> None:
    """Offer flavors, an image and networks, and give the user an application credential. All services must be up."""
    admin = connect(layout, "admin", "admin")
    for name, (processors, memory, disk) in FLAVORS.items():
        admin.compute.create_flavor(name=name, vcpus=processors, ram=memory, disk=disk)
    nothing = b"\0" * 1024  # a server has the files of this machine, whichever its image
    admin.image.create_image(name=IMAGE, disk_format="raw", container_format="bare", visibility="public", data=nothing)
    fixed = _network(admin, FIXED_NETWORK, layout.fixed_network, shared=True)
    flat = {"provider_network_type": "flat", "provider_physical_network": "loopback"}
    floating = _network(admin, FLOATING_NETWORK, layout.floating_network, is_router_external=True, **flat)
    router = admin.network.create_router(name="router", external_gateway_info={"network_id": floating.network_id})
    admin.network.add_interface_to_router(router, subnet_id=fixed.id)
    user = connect(layout, USER, PROJECT)
    credential = user.identity.create_application_credential(user=user.current_user_id, name="chiminey")
    (layout.state / "application-credential").write_text(json.dumps({"id": credential.id, "secret": credential.secret}))


def _network(admin: Connection, name: str, addresses: str, **options: Any) -> Any:
    """A network with one subnet, which it gives: without DHCP, because a subnet of loopback addresses can't have it."""
    network = admin.network.create_network(name=name, **options)
    return admin.network.create_subnet(network_id=network.id, name=name, ip_version=4, cidr=addresses, is_dhcp_enabled=False)
