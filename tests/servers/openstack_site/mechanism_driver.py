"""An ML2 mechanism driver for networks of loopback addresses, which need no agent and no wires, except for floating addresses."""

from __future__ import annotations

from typing import Any

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins.ml2 import api

from tests.servers.openstack_site.forwarder import Forwarder
from tests.servers.openstack_site.layout import here


class LoopbackMechanismDriver(api.MechanismDriver):
    """Binds every port, and forwards what comes to the SSH port of a floating address."""

    def initialize(self) -> None:
        self._port = here().ssh_port
        self._forwarders: dict[str, Forwarder] = {}
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
            registry.subscribe(self._follow, resources.FLOATING_IP, event)

    @property
    def connectivity(self) -> str:
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context: Any) -> None:
        segment = context.segments_to_bind[0]
        details = {portbindings.CAP_PORT_FILTER: True}
        context.set_binding(segment[api.ID], portbindings.VIF_TYPE_OVS, details, status=constants.PORT_STATUS_ACTIVE)

    def _follow(self, resource: str, event: str, trigger: object, payload: events.DBEventPayload) -> None:
        """Forward to where the floating address leads after the event."""
        floating = payload.latest_state
        address = floating["floating_ip_address"]
        if old := self._forwarders.pop(address, None):
            old.stop()
        if floating["fixed_ip_address"] and event != events.AFTER_DELETE:
            self._forwarders[address] = Forwarder((address, self._port), (floating["fixed_ip_address"], self._port))
