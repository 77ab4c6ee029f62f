"""EC2's instances with machines behind them: moto keeps the books, and the power goes on and off as they say."""

from __future__ import annotations

import copy
import threading
from typing import Any, ClassVar

import moto.ec2.models.elastic_ip_addresses
import moto.ec2.models.instances
import moto.ec2.urls
from moto.ec2.exceptions import (
    DependencyViolationError,
    EC2ClientError,
    InvalidInstanceTypeError,
    InvalidSecurityGroupNotFoundError,
)
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.instances import Instance, InstanceState, Reservation, StateReason

from tests.servers.ec2_server.cloud import Cloud
from tests.servers.machine import Machine

STATES = {"pending": 0, "running": 16, "terminated": 48, "stopped": 80}


class PoweredInstance(Instance):
    """An instance that is a machine on an address of the pool, which is its private address and its public one."""

    cloud: ClassVar[Cloud]

    def __init__(self, ec2_backend: Any, image_id: str, user_data: Any, security_groups: list[Any], **kwargs: Any) -> None:
        super().__init__(ec2_backend, image_id, user_data, security_groups, **kwargs)
        self._address = self.cloud.addresses.take()
        settings = self.cloud.settings
        self._machine = Machine(
            self.cloud.machines / self.id,
            f"ip-{self._address.replace('.', '-')}",
            self._address,
            settings.ssh_port,
            user_data.decode() if user_data else "",
            [ec2_backend.key_pairs[self.key_name].public_key] if self.key_name else [],
            settings.default_user,
        )
        self._take_address()
        self._boot_later()

    def start(self) -> InstanceState:
        with self.cloud.lock:
            previous = super().start()
            self._take_address()
            self._boot_later()
            return previous

    def stop(self) -> InstanceState:
        with self.cloud.lock:
            self._machine.power_off()
            return super().stop()

    def reboot(self) -> None:
        with self.cloud.lock:
            self._machine.power_off()
            self._machine.power_on()
            super().reboot()

    def terminate(self) -> InstanceState:
        with self.cloud.lock:
            if self.state == "terminated":
                return copy.copy(self._state)
            self._machine.destroy()
            self.cloud.addresses.give_back(self._address)
            if self.cloud.capacity is not None:
                self.cloud.capacity += 1
            return super().terminate()

    def lose(self, state: str, reason: str, message: str) -> None:
        """The machine is gone, for no reason of its owner's; ``state`` is what EC2 says of it from now on."""
        with self.cloud.lock:
            if state == "terminated":
                self.terminate()
            else:
                self._machine.power_off()
                self._set_state(state)
            if state != "running":
                self._reason, self.state_reason = reason, StateReason(f"{reason}: {message}", reason)

    def console(self) -> str:
        """Empty until the machine has booted, as with EC2, whose console lags."""
        return self._machine.console() if self._machine.runs else ""

    def _take_address(self) -> None:
        interface = self.nics[0]
        interface.private_ip_address = self._address
        interface.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": self._address}]
        if interface.public_ip_auto_assign:
            interface.public_ip = self._address

    def _boot_later(self) -> None:
        self._set_state("pending")
        timer = threading.Timer(self.cloud.settings.boot_delay, self._boot, [self.cloud.next_boot_fault()])
        timer.daemon = True
        timer.start()

    def _boot(self, fault: str | None) -> None:
        with self.cloud.lock:
            if self.state != "pending" or fault == "pending":
                return
            if fault == "terminated":
                self.lose("terminated", "Server.InternalError", "Internal error on launch")
                return
            if fault != "running":
                self._machine.power_on()
            self._set_state("running")

    def _set_state(self, name: str) -> None:
        self._state.name, self._state.code = name, STATES[name]


class Backend(EC2Backend):
    """The books of one region."""

    cloud: ClassVar[Cloud]
    _url_module = moto.ec2.urls  # which moto would look for beside this module

    def run_instances(
        self, image_id: str, count: int, user_data: Any, security_group_names: list[str], **kwargs: Any
    ) -> Reservation:
        for name in security_group_names:
            if self.get_security_group_by_name_or_id(name) is None:
                raise InvalidSecurityGroupNotFoundError(name)
        try:
            reservation = super().run_instances(image_id, count, user_data, security_group_names, **kwargs)
        except InvalidInstanceTypeError:  # DescribeInstanceTypes has that error, RunInstances has this
            message = f"Invalid value '{kwargs['instance_type']}' for InstanceType."
            raise EC2ClientError("InvalidParameterValue", message) from None
        if self.cloud.capacity is not None:
            self.cloud.capacity -= count
        return reservation

    def living_instances(self) -> list[PoweredInstance]:
        """Those that are not terminated."""
        return [instance for instance in self.all_instances() if instance.state != "terminated"]

    def describe_key_pairs(self, key_names: list[str | None], filters: Any = None) -> list[Any]:
        for name in key_names:
            if name and name not in self.key_pairs:
                raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
        return super().describe_key_pairs(key_names, filters)

    def delete_security_group(self, name: str | None = None, group_id: str | None = None) -> None:
        for instance in self.living_instances():
            for group in instance.security_groups:
                if group_id == group.id or (not group_id and name == group.name):
                    raise DependencyViolationError(f"resource {group.id} has a dependent object")
        super().delete_security_group(name, group_id)

    def detach_volume(self, volume_id: str, instance_id: str | None, device_path: str | None) -> Any:
        attachment = self.get_volume(volume_id).attachment  # the volume is enough for EC2, and libcloud says no more
        if attachment is None:
            raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
        return super().detach_volume(volume_id, instance_id or attachment.instance.id, device_path or attachment.device)

    def release_address(self, address: str | None = None, allocation_id: str | None = None) -> None:
        found = self.address_by_allocation([allocation_id]) if allocation_id else self.address_by_ip([address])
        super().release_address(address, allocation_id)
        self.cloud.addresses.give_back(found[0].public_ip)


def install(cloud: Cloud) -> None:
    """Let moto make these instead of its own."""
    PoweredInstance.cloud = Backend.cloud = cloud
    moto.ec2.models.instances.Instance = PoweredInstance
    moto.ec2.models.elastic_ip_addresses.random_ip = cloud.addresses.take
    ec2_backends.backend = Backend


def regions() -> list[Backend]:
    """The books of every region that anybody has asked for."""
    return [backend for account in ec2_backends.values() for backend in account.values()]
