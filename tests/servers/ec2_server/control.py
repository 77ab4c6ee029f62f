"""What a test asks of a cloud behind the back of its users."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import InvalidInstanceIdError

from tests.servers.ec2_server.cloud import Cloud
from tests.servers.ec2_server.endpoint import Endpoint
from tests.servers.ec2_server.faults import Fault
from tests.servers.ec2_server.instances import PoweredInstance, regions


class Control:
    """Every public method is a word that the process understands; ``tests.servers.ec2`` says what they mean."""

    def __init__(self, cloud: Cloud, endpoint: Endpoint) -> None:
        self._cloud, self._endpoint = cloud, endpoint

    def fail(self, **fault: Any) -> None:
        self._endpoint.faults.add(Fault(**fault))

    def heal(self) -> None:
        self._endpoint.faults.heal()
        with self._cloud.lock:
            self._cloud.boot_faults.clear()
            self._cloud.capacity = None

    def change_key(self, **key: str) -> None:
        self._endpoint.change_key(**key)

    def fail_boots(self, state: str, machines: int) -> None:
        with self._cloud.lock:
            self._cloud.boot_faults += [state] * machines

    def limit_capacity(self, machines: int) -> None:
        with self._cloud.lock:
            self._cloud.capacity = machines

    def terminate(self, instance: str) -> None:
        _instance(instance).terminate()

    def lose(self, instance: str, state: str, reason: str, message: str) -> None:
        _instance(instance).lose(state, reason, message)

    def calls(self) -> list[dict[str, Any]]:
        return self._endpoint.calls.copy()

    def left(self) -> list[dict[str, Any]]:
        with self._cloud.lock:
            return [_described(kind, resource) for kind, resource in _resources()]


def _instance(name: str) -> PoweredInstance:
    for region in regions():
        if found := region.get_instance_by_id(name):
            return found
    raise InvalidInstanceIdError(name)


def _resources() -> list[tuple[str, Any]]:
    """What exists, with EC2's names of the types of resources."""
    found: list[tuple[str, Any]] = []
    for region in regions():
        found += [("instance", instance) for instance in region.living_instances()]
        found += [("key-pair", pair) for pair in region.key_pairs.values()]
        groups = [group for network in region.groups.values() for group in network.values()]
        found += [("security-group", group) for group in groups if not group.is_default]
        found += [("elastic-ip", address) for address in region.addresses]
        found += [("volume", volume) for volume in region.volumes.values()]
        found += [("network-interface", interface) for interface in region.enis.values() if interface.instance is None]
    return found


def _described(kind: str, resource: Any) -> dict[str, Any]:
    names = {"key-pair": "key_name", "elastic-ip": "public_ip"}
    tags = {tag["key"]: tag["value"] for tag in resource.get_tags()}
    return {"kind": kind, "id": getattr(resource, names.get(kind, "id")), "tags": tags}
