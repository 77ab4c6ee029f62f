"""A virt driver for Nova, whose servers are machines with a real SSH server on their fixed address."""

from __future__ import annotations

import base64
from typing import Any

from nova.exception import InstanceDeployFailure
from nova.virt import fake
from nova.virt.node import get_local_node_uuid

from tests.servers.machine import Machine
from tests.servers.openstack_site import faults
from tests.servers.openstack_site.layout import DEFAULT_USER, here


class SSHDriver(fake.FakeDriver):
    """One hypervisor, as Nova's own fake one in what it offers and counts."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._layout = here()
        self._machines: dict[str, Machine] = {}

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        return super().get_available_resource(nodename) | {"uuid": get_local_node_uuid()}  # the same after a restart

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        return {get_local_node_uuid(): self.get_available_nodes()[0]}

    def spawn(self, context: Any, instance: Any, *arguments: Any, network_info: Any = None, **options: Any) -> None:
        if faults.happens(self._layout, "spawn"):
            raise InstanceDeployFailure(reason="the test wants it so")
        super().spawn(context, instance, *arguments, network_info=network_info, **options)
        machine = Machine(
            self._layout.machines / instance.uuid,
            instance.hostname,
            next(address["address"] for interface in network_info for address in interface.fixed_ips()),
            self._layout.ssh_port,
            base64.b64decode(instance.user_data or "").decode(),
            [instance.key_data] if instance.key_data else [],
            DEFAULT_USER,
        )
        self._machines[instance.uuid] = machine
        if not faults.happens(self._layout, "boot"):
            machine.power_on()

    def power_off(self, instance: Any, *arguments: Any, **options: Any) -> None:
        super().power_off(instance, *arguments, **options)
        self._machines[instance.uuid].power_off()

    def power_on(self, context: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        """Boot, also again: this is how the fake driver reboots."""
        super().power_on(context, instance, *arguments, **options)
        self._machines[instance.uuid].power_off()
        self._machines[instance.uuid].power_on()

    def destroy(self, context: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        super().destroy(context, instance, *arguments, **options)
        if machine := self._machines.pop(instance.uuid, None):
            machine.destroy()

    def get_console_output(self, context: Any, instance: Any) -> str:
        return self._machines[instance.uuid].console()
