"""What the operator of a site may do, and tests ask for."""

from __future__ import annotations

import os
import signal
import time

from openstack.network.v2.security_group import SecurityGroup

from tests.servers import process_table
from tests.servers.openstack_site import faults
from tests.servers.openstack_site.catalogue import connect
from tests.servers.openstack_site.layout import PROJECT, USER, Layout

CLEAR_SECONDS = 240.0


class Control:
    """The operator's hands. Arguments and answers are what JSON can hold."""

    def __init__(self, layout: Layout) -> None:
        """Log in, as the administrator and as the project's user."""
        self._layout = layout
        self._admin = connect(layout, "admin", "admin")
        self._user = connect(layout, USER, PROJECT)

    @property
    def project_id(self) -> str:
        """The user's project."""
        return str(self._user.current_project_id)

    def left(self) -> dict[str, list[str]]:
        """The names, or else addresses, of all that there is in the project; kinds of which there is nothing are left out."""
        user, project = self._user, {"project_id": self._user.current_project_id}
        found = {
            "servers": [server.name for server in user.compute.servers()],
            "key pairs": [pair.name for pair in user.compute.keypairs()],
            "security groups": [group.name for group in self._security_groups()],
            "floating addresses": [address.floating_ip_address for address in user.network.ips(**project)],
            "ports": [port.fixed_ips[0]["ip_address"] for port in user.network.ports(**project)],
        }
        return {kind: names for kind, names in found.items() if names}

    def clear(self) -> None:
        """Delete all that there is in the project, and lift limits and faults. Raises RuntimeError when something stays."""
        faults.forget(self._layout)
        self._admin.compute.revert_quota_set(self._user.current_project_id)
        user, project = self._user, {"project_id": self._user.current_project_id}
        deadline = time.monotonic() + CLEAR_SECONDS
        while any(server.status == "BUILD" and not server.host_id for server in user.compute.servers()):
            self._pause(deadline)  # Nova would delete one that it is just placing beside itself, and leave its port
        for server in user.compute.servers():
            user.compute.delete_server(server)
        for address in user.network.ips(**project):
            user.network.delete_ip(address)
        for pair in user.compute.keypairs():
            user.compute.delete_keypair(pair)
        while list(user.compute.servers()):
            self._pause(deadline)
        for port in user.network.ports(**project):
            self._admin.network.delete_port(port)  # those of servers are for nobody else to delete
        for group in self._security_groups():
            user.network.delete_security_group(group)

    def _pause(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"these do not go away: {self.left()}")
        time.sleep(0.1)

    def limit_servers(self, servers: int) -> None:
        """Let the project have only so many servers at a time, until it is cleared."""
        self._admin.compute.update_quota_set(self._user.current_project_id, instances=servers)

    def plan_fault(self, fault: str, servers: int) -> None:
        """Let something go wrong with the next servers: see ``faults``."""
        faults.plan(self._layout, fault, servers)

    def cut_power(self, server: str) -> None:
        """Kill a server, by its id, behind Nova's back: it stays active for whoever asks."""
        for machine in self._machines(server):
            while children := process_table.children(machine):  # which are gone when all of their namespace are
                process_table.send(signal.SIGKILL, children)
                time.sleep(0.002)

    def processes(self, server: str) -> list[str]:
        """The command lines of what runs on a server, with its SSH server; none when it is off."""
        pids = [pid for machine in self._machines(server) for pid in process_table.descendants(machine)]
        return [line for pid in pids if (line := process_table.command_line(pid))]

    def _security_groups(self) -> list[SecurityGroup]:
        """Those that the user made: the default one can't be deleted."""
        groups = self._user.network.security_groups(project_id=self._user.current_project_id)
        return [group for group in groups if group.name != "default"]

    def _machines(self, server: str) -> list[int]:
        """The process that holds a server from outside, if it is on."""
        folder = str(self._layout.machines / server)
        below = process_table.descendants(os.getpid())
        return [pid for pid in below if process_table.program(pid) == "unshare" and folder in process_table.command_line(pid)]
