"""Amazon's EC2, and clouds that speak its protocol."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from blocks.cloud import ec2_launch, tags
from blocks.cloud.calls import Account
from blocks.cloud.ec2_catalogue import EC2Catalogue
from blocks.cloud.ec2_driver import AccessKey, EC2Place
from blocks.cloud.ec2_group import EC2Group
from blocks.cloud.ec2_lag import once_known
from blocks.cloud.ec2_query import bearing, items, query, tagged, texts, those
from blocks.cloud.machine import Machine, MachineState, Size, Wish
from blocks.cloud.provider import MachineOrder, Provider, Quota
from blocks.errors import Refused, Unreachable

_STATES: dict[str, MachineState] = {
    "pending": "coming",
    "running": "running",
    "shutting-down": "failed",
    "stopping": "failed",
    "stopped": "failed",
    "terminated": "gone",
}
_BEYOND_LIMIT = (
    "{name} does not allow this account as many processors at once as one more {size} has; lower maximum, or ask Amazon for more "
    "in its console under Service Quotas, Amazon EC2 ({error})"
)


class EC2Provider(Provider):
    """An account in one region."""

    def __init__(self, login: Callable[[], AccessKey], place: EC2Place) -> None:
        self._place = place
        self._account = Account(place.name, lambda: place.driver(login()))
        self._catalogue = EC2Catalogue(self._account)
        self._own_group = EC2Group(self._account, self._catalogue, place)

    @property
    def name(self) -> str:
        return self._place.name

    def problems(self, wish: Wish) -> list[str]:
        return self._catalogue.problems(wish)

    def size(self, wanted: str) -> Size:
        return self._catalogue.size(wanted)

    def quota(self) -> Quota | None:
        """Of clouds that speak EC2's protocol: what Amazon itself says there has nothing to do with its limits any more."""
        if self._place.is_amazons:
            return None
        answer = query(self._account, "DescribeAccountAttributes", {"AttributeName.1": "max-instances"})
        most = next((text for text in texts(answer, "attributeValue") if text.isdigit()), None)
        if most is None:
            return None
        there = self._account.ask("list_nodes")
        running = sum(_state(node) != "gone" for node in there)
        left = max(0, int(most) - running)
        return Quota(left, f"{left} more machines may be made ({running} of {most} are there)")

    def prepare(self, run: str, named: Mapping[str, str], public_key: str, wish: Wish) -> None:
        self._import_key(run, named, public_key)
        if not wish.security_groups:
            self._own_group.make(run, named, wish)

    def make(self, order: MachineOrder) -> Machine:
        wish = order.wish
        image, subnet = self._catalogue.image(wish), self._catalogue.subnet(wish)
        asked = ec2_launch.order(order, image)
        if subnet is not None:
            groups = self._catalogue.groups(wish) or [self._own_group.of(order.run)]
            ids = [str(group.id) for group in groups]
            asked |= ec2_launch.in_subnet(str(subnet.id), ids, has_public_address=not wish.private_address)
        else:
            asked |= ec2_launch.in_the_accounts_network(wish.security_groups or (str(self._own_group.of(order.run).id),))
        if wish.disk:
            asked |= self._catalogue.disk(image, wish.disk)
        try:
            node = once_known(partial(ec2_launch.launch, self._account, asked))
        except Refused as error:
            if "VcpuLimitExceeded" in str(error):
                raise Refused(_BEYOND_LIMIT.format(name=self.name, size=wish.size, error=error)) from error
            if "IdempotentParameterMismatch" not in str(error):
                raise
            return self._asked_before(order)
        return replace(_machine(node), run=order.run, host=order.host)

    def machines(self, run: str) -> list[Machine]:
        there = [_machine(node) for node in self._account.ask("list_nodes", ex_filters={f"tag:{tags.RUN}": run})]
        return [machine for machine in there if machine.run == run]  # not every cloud heeds filters

    def settle(self, machine: Machine, order: MachineOrder) -> Machine:
        node = once_known(partial(self._account.ask, "list_nodes", ex_node_ids=[machine.id]))[0]
        devices: list[dict[str, Any]] = node.extra.get("block_device_mapping") or []
        disks = [str(each["ebs"]["volume_id"]) for each in devices if each.get("ebs")]
        for disk in disks:
            once_known(partial(self._account.ask, "ex_create_tags", SimpleNamespace(id=disk), dict(order.tags)))
        if not order.wish.floating_pool:
            return _machine(node)
        return self._with_floating_address(_machine(node), order)

    def end(self, machine: Machine) -> bool:
        try:
            self._account.ask("destroy_node", SimpleNamespace(id=machine.id))
        except Refused as error:
            if "InvalidInstanceID.NotFound" not in str(error):
                raise
            return False
        return True

    def take_back_address(self, run: str, host: str) -> None:
        self._release({tags.RUN: run, tags.HOST: host}, left=[])  # what is in use yet goes with the rest

    def remove_rest(self, run: str) -> list[str]:
        left: list[str] = []
        self._release({tags.RUN: run}, left)
        for disk in self._account.ask("list_volumes", ex_filters={f"tag:{tags.RUN}": run}):
            if disk.extra["tags"].get(tags.RUN) == run:
                self._remove(left, f"volume {disk.id}", "DeleteVolume", {"VolumeId": disk.id})
        for key in self._account.ask("list_key_pairs"):
            if key.name == tags.name_of(run):
                self._remove(left, f"key pair {key.name}", "DeleteKeyPair", {"KeyName": key.name})
        for group in self._catalogue.found_groups({"group-name": tags.name_of(run)}):
            self._remove(left, f"security group {group.name}", "DeleteSecurityGroup", {"GroupId": group.id})
        return left

    def runs(self, installation: str) -> set[str]:
        mine = {f"tag:{tags.INSTALLATION}": installation}
        nodes = self._account.ask("list_nodes", ex_filters=mine)
        living = [node.extra["tags"] for node in nodes if _state(node) != "gone"]
        found = {str(each.get(tags.RUN)) for each in living if each.get(tags.INSTALLATION) == installation}
        for action in ("DescribeKeyPairs", "DescribeSecurityGroups", "DescribeAddresses", "DescribeVolumes"):
            answer = query(self._account, action, those({tags.INSTALLATION: installation}))
            things = (tagged(item) for item in items(answer))
            found |= {each[tags.RUN] for each in things if each.get(tags.INSTALLATION) == installation}
        return found

    def _asked_before(self, order: MachineOrder) -> Machine:
        for machine in self.machines(order.run):
            if machine.host == order.host:
                return machine
        raise Unreachable(f"{self.name} was asked for {order.host} before, and does not list it yet")

    def _release(self, named: Mapping[str, str], left: list[str]) -> None:
        for address in self._addresses(named):
            allocation = next(texts(address, "allocationId"))
            self._remove(left, f"address {next(texts(address, 'publicIp'))}", "ReleaseAddress", {"AllocationId": allocation})

    def _addresses(self, named: Mapping[str, str]) -> list[Any]:
        """The elastic addresses with these tags, as XML. That they have them is looked at: not every cloud heeds filters."""
        there = items(query(self._account, "DescribeAddresses", those(named)))
        return [each for each in there if named.items() <= tagged(each).items()]

    def _remove(self, left: list[str], name: str, action: str, parameters: Mapping[str, str]) -> None:
        """Remove a thing; one that is still in use is noted, and one that is gone is as it should be."""
        try:
            query(self._account, action, parameters)
        except Refused as error:
            if "NotFound" not in str(error):
                left.append(f"{name} ({str(error).removeprefix(f'{self.name}: ')})")

    def _import_key(self, run: str, tags_: Mapping[str, str], public_key: str) -> None:
        name = {"KeyName": tags.name_of(run)}
        asked = {**name, "PublicKeyMaterial": base64.b64encode(public_key.encode()).decode(), **bearing("key-pair", tags_)}
        try:
            query(self._account, "ImportKeyPair", asked)
        except Refused as error:
            if "Duplicate" not in str(error):
                raise
            query(self._account, "DeleteKeyPair", name)  # another controller's, whose seed may have been another
            query(self._account, "ImportKeyPair", asked)

    def _with_floating_address(self, machine: Machine, order: MachineOrder) -> Machine:
        """A machine with an elastic address: the one that was made for it, or a new one."""
        there = self._addresses({tags.RUN: order.run, tags.HOST: order.host})
        asked = {"Domain": "vpc"} | bearing("elastic-ip", order.tags)
        answer = there[0] if there else query(self._account, "AllocateAddress", asked)
        address, allocation = next(texts(answer, "publicIp")), next(texts(answer, "allocationId"))
        asked = {"InstanceId": machine.id, "AllocationId": allocation}
        once_known(partial(query, self._account, "AssociateAddress", asked))
        return Machine(machine.id, machine.run, machine.host, machine.state, address, machine.private)


def _machine(node: Any) -> Machine:
    tagged: Mapping[str, str] = node.extra.get("tags") or {}
    return Machine(
        str(node.id),
        str(tagged.get(tags.RUN, "")),
        str(tagged.get(tags.HOST, "")),
        _state(node),
        next(iter(node.public_ips), None) or "",
        next(iter(node.private_ips), None) or "",
        _reason(node),
    )


def _state(node: Any) -> MachineState:
    return _STATES.get(str(node.extra.get("status")), "coming")


def _reason(node: Any) -> str:
    if _state(node) in ("coming", "running"):
        return ""
    reason = str(node.extra.get("reason") or "").strip()
    return f"it is {node.extra.get('status')}" + (f": {reason}" if reason else "")
