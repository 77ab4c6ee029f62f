"""The configuration of every service: only what differs from its default."""

from __future__ import annotations

import os
import shutil
from configparser import RawConfigParser
from pathlib import Path

from tests.servers.openstack_site.layout import ENVIRONMENT, REGION, REPOSITORY, Layout

Sections = dict[str, dict[str, object]]

# RPC within a process needs no message broker, and nobody listens to notifications.
NO_BROKER = {"transport_url": "fake://"}
NO_NOTIFICATIONS: Sections = {"oslo_messaging_notifications": {"driver": "noop"}}

# How a package tells its plugins to stevedore.
ENTRY_POINTS = """
[neutron.ml2.mechanism_drivers]
loopback = tests.servers.openstack_site.mechanism_driver:LoopbackMechanismDriver
"""


def write(layout: Layout) -> None:
    """Write the files, and make the folders that they name."""
    for folder in ("images", "staging", "tasks", "cache"):
        (layout.state / "glance" / folder).mkdir(parents=True, exist_ok=True)
    (layout.state / "nova").mkdir(exist_ok=True)
    shutil.copytree(ENVIRONMENT / "etc", layout.settings)
    for name, sections in {
        "keystone/keystone.conf": _keystone(layout),
        "glance/glance-api.conf": _glance(layout),
        "placement/placement.conf": _placement(layout),
        "neutron/neutron.conf": _neutron(layout),
        "nova/nova.conf": _nova(layout),
    }.items():
        _write(layout.settings / name, sections | NO_NOTIFICATIONS)
    plugin = layout.settings / "openstack_site-0.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: openstack_site\nVersion: 0\n")
    (plugin / "entry_points.txt").write_text(ENTRY_POINTS)


def environment(layout: Layout) -> dict[str, str]:
    """What every process of the site finds in its environment."""
    settings = layout.settings
    return {
        "PATH": f"{ENVIRONMENT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(settings)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
        "OS_KEYSTONE_CONFIG_FILES": str(settings / "keystone" / "keystone.conf"),
        "OS_GLANCE_CONFIG_DIR": str(settings / "glance"),
        "OS_PLACEMENT_CONFIG_DIR": str(settings / "placement"),
        "OS_NEUTRON_CONFIG_DIR": "/",
        "OS_NEUTRON_CONFIG_FILES": str(settings / "neutron" / "neutron.conf"),
        "OS_NOVA_CONFIG_DIR": str(settings / "nova"),
        "OPENSTACK_SITE": f"{layout.folder}:{layout.number}:{layout.ssh_port}",
    }


def _write(path: Path, sections: Sections) -> None:
    parser = RawConfigParser(default_section="")  # here, DEFAULT is a section like any other
    parser.read_dict(sections)
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        parser.write(file)


def _credentials(layout: Layout, service: str) -> dict[str, object]:
    return {
        "auth_type": "password",
        "auth_url": layout.identity_url,
        "project_name": "service",
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "username": service,
        "password": layout.password,
        "region_name": REGION,
    }


def _verification(layout: Layout, service: str) -> dict[str, object]:
    """How a service verifies the tokens that it is shown."""
    return _credentials(layout, service) | {
        "www_authenticate_uri": layout.url("keystone"),
        "service_token_roles": "service",
        "service_token_roles_required": True,
    }


def _keystone(layout: Layout) -> Sections:
    return {
        "database": {"connection": layout.database("keystone")},
        "token": {"provider": "fernet"},
        "fernet_tokens": {"key_repository": layout.state / "fernet"},
        "credential": {"key_repository": layout.state / "credential"},
        "identity": {"password_hash_rounds": 4},  # the fewest that there can be: they only take time
    }


def _glance(layout: Layout) -> Sections:
    folder = layout.state / "glance"
    return {
        "DEFAULT": NO_BROKER
        | {
            "enabled_backends": "files:file",
            "worker_self_reference_url": layout.url("glance"),
            "image_cache_dir": folder / "cache",
        },
        "database": {"connection": layout.database("glance")},
        "glance_store": {"default_backend": "files"},
        "files": {"filesystem_store_datadir": folder / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": folder / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": folder / "tasks"},
        "keystone_authtoken": _verification(layout, "glance"),
        "paste_deploy": {"flavor": "keystone", "config_file": layout.settings / "glance" / "glance-api-paste.ini"},
    }


def _placement(layout: Layout) -> Sections:
    return {
        "api": {"auth_strategy": "keystone"},
        "placement_database": {"connection": layout.database("placement"), "sync_on_startup": True},
        "keystone_authtoken": _verification(layout, "placement"),
    }


def _neutron(layout: Layout) -> Sections:
    return {
        "DEFAULT": NO_BROKER
        | {
            "core_plugin": "ml2",
            "service_plugins": "router",
            "api_paste_config": layout.settings / "neutron" / "api-paste.ini",
            "state_path": layout.state / "neutron",
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "dhcp_agent_notification": False,
            "send_events_interval": 1,  # seconds until Nova hears that a port changed, and shows its floating address
        },
        "nova": _credentials(layout, "neutron"),
        "database": {"connection": layout.database("neutron")},
        "keystone_authtoken": _verification(layout, "neutron"),
        "ml2": {
            "type_drivers": "local,flat",
            "tenant_network_types": "local",
            "mechanism_drivers": "loopback",
            "extension_drivers": "port_security",
        },
        "oslo_concurrency": {"lock_path": layout.folder / "locks"},
    }


def _nova(layout: Layout) -> Sections:
    return {
        "DEFAULT": NO_BROKER
        | {
            "compute_driver": "virt_driver.SSHDriver",
            "state_path": layout.state / "nova",
            "host": "hypervisor",
            "my_ip": "127.0.0.1",
            "reserved_host_memory_mb": 0,
            "vif_plugging_is_fatal": False,
            "vif_plugging_timeout": 0,
            "service_down_time": 10**9,  # seconds: its only host is not down because the state that it starts with is old
        },
        "wsgi": {"api_paste_config": layout.settings / "nova" / "api-paste.ini"},
        "api_database": {"connection": layout.database("nova_api")},
        "database": {"connection": layout.database("nova_cell1")},
        "keystone_authtoken": _verification(layout, "nova"),
        "service_user": _credentials(layout, "nova") | {"send_service_user_token": True},
        "placement": _credentials(layout, "nova"),
        "neutron": _credentials(layout, "nova"),
        "glance": _credentials(layout, "nova"),
        "oslo_concurrency": {"lock_path": layout.folder / "locks"},
        "quota": {"instances": 50, "cores": 4000},
        "vnc": {"enabled": False},
    }
