"""Amazon's EC2, and clouds that speak its protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from libcloud.compute.base import NodeImage, NodeSize
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider as Driver
from pydantic import SecretStr

from blocks.cloud import caller, tags
from blocks.cloud.calls import TIMEOUT, Account
from blocks.cloud.machine import Machine, MachineState, Size, Wish
from blocks.cloud.provider import MachineOrder, Provider, Quota
from blocks.errors import InvalidRequest, NotFound, Refused
from blocks.mistakes import suggestion

_STATES: dict[str, MachineState] = {
    "pending": "coming",
    "running": "running",
    "shutting-down": "failed",
    "stopping": "failed",
    "stopped": "failed",
    "terminated": "gone",
}
_ELSEWHERE = ("NotFound", "Malformed")  # in what EC2 says of what is not there


class EC2Provider(Provider):
    """An account in one region."""

    def __init__(self, access_key: str, secret: SecretStr, token: SecretStr | None, region: str, endpoint: str) -> None:
        kind: Any = get_driver(Driver.EC2)
        regions = list(kind.list_regions())
        if region not in regions:
            raise InvalidRequest(f"there is no region {region!r}; {suggestion(region, 'region', regions)}")
        place = urlsplit(endpoint)
        if endpoint and (place.scheme not in ("http", "https") or not place.hostname):
            raise InvalidRequest(f"the endpoint {endpoint!r} is no URL, such as https://ec2.example.org:8773/")
        self._region = region
        self._endpoint = place
        self._account = Account(self.name, lambda: self._driver(kind, access_key, secret, token))

    def _driver(self, kind: Any, access_key: str, secret: SecretStr, token: SecretStr | None) -> Any:
        elsewhere: dict[str, Any] = {}
        if self._endpoint.hostname:
            secure = self._endpoint.scheme == "https"
            port = self._endpoint.port or (443 if secure else 80)
            elsewhere = {"host": self._endpoint.hostname, "port": port, "secure": secure}
        driver = kind(
            access_key,
            secret.get_secret_value(),
            region=self._region,
            token=token.get_secret_value() if token else None,
            signature_version="4",
            timeout=TIMEOUT,
            **elsewhere,
        )
        driver.path = self._endpoint.path or "/"
        return driver

    @property
    def name(self) -> str:
        return f"EC2 at {self._endpoint.netloc}" if self._endpoint.netloc else f"EC2 in {self._region}"

    def problems(self, wish: Wish) -> list[str]:
        found: list[str] = []
        for look_up in (self._image, self._size_problem, self._zone_problem, self._subnet, self._groups):
            try:
                look_up(wish)
            except NotFound as error:
                found.append(str(error))
        return found

    def size(self, wanted: str) -> Size:
        try:
            answer = self._ask("DescribeInstanceTypes", {"InstanceType.1": wanted})
        except Refused as error:
            if "InvalidInstanceType" not in str(error) and "InvalidParameterValue" not in str(error):
                raise
            raise NotFound(f"size: {self.name} has no instance type {wanted!r}") from error
        processors = next(_texts(answer, "defaultVCpus"), "0")
        if next(_texts(answer, "instanceType"), None) is None:
            raise NotFound(f"size: {self.name} has no instance type {wanted!r}")
        return Size(wanted, wanted, int(processors))

    def quota(self) -> Quota | None:
        answer = self._ask("DescribeAccountAttributes", {"AttributeName.1": "max-instances"})
        most = next((text for text in _texts(answer, "attributeValue") if text.isdigit()), None)
        if most is None:
            return None
        there = self._account.ask(lambda driver: driver.list_nodes())
        running = sum(_state(node) != "gone" for node in there)
        left = max(0, int(most) - running)
        return Quota(left, f"{left} more machines may be made ({running} of {most} are there)")

    def prepare(self, run: str, tags: Mapping[str, str], public_key: str, wish: Wish) -> None:
        self._import_key(run, tags, public_key)
        if not wish.security_groups:
            self._make_group(run, tags, wish)

    def make(self, order: MachineOrder) -> Machine:
        wish = order.wish
        subnet = self._subnet(wish)
        asked: dict[str, Any] = {
            "name": tags.machine_name(order.run, order.host),
            "size": NodeSize(wish.size, wish.size, None, None, None, None, None),
            "image": NodeImage(self._image(wish), wish.image, None),
            "ex_keyname": tags.name_of(order.run),
            "ex_userdata": order.user_data,
            "ex_metadata": dict(order.tags),
            "ex_clienttoken": tags.machine_name(order.run, order.host),
            "ex_terminate_on_shutdown": not wish.spot,  # spot machines are terminated in any case, and can't be asked to be
            "ex_spot": wish.spot,
        }
        groups = self._groups(wish) or [next(self._found_groups("group-name", tags.name_of(order.run)))]
        if subnet is not None:
            asked |= {"ex_subnet": subnet, "ex_security_group_ids": [group.id for group in groups]}
            asked["ex_assign_public_ip"] = not wish.private_address
        else:
            asked["ex_security_groups"] = [group.name for group in groups]
        if wish.disk:
            asked["ex_blockdevicemappings"] = [self._disk(asked["image"].id, wish.disk)]
        zone = self._zone(wish)
        try:
            node = self._account.ask(lambda driver: driver.create_node(location=zone, **asked))
        except Refused as error:
            if "IdempotentParameterMismatch" not in str(error):
                raise
            return next(machine for machine in self.machines(order.run) if machine.host == order.host)
        return _machine(node)

    def machines(self, run: str) -> list[Machine]:
        return [
            _machine(node) for node in self._account.ask(lambda driver: driver.list_nodes(ex_filters={f"tag:{tags.RUN}": run}))
        ]

    def settle(self, machine: Machine, order: MachineOrder) -> Machine:
        node = self._account.ask(lambda driver: driver.list_nodes(ex_node_ids=[machine.id]))[0]
        disks = [each["ebs"]["volume_id"] for each in node.extra.get("block_device_mapping") or [] if each.get("ebs")]
        for disk in disks:
            self._account.ask(lambda driver, disk=disk: driver.ex_create_tags(SimpleNamespace(id=disk), dict(order.tags)))
        if not order.wish.floating_pool:
            return _machine(node)
        return self._with_floating_address(_machine(node), order)

    def end(self, machine: Machine) -> None:
        try:
            self._account.ask(lambda driver: driver.destroy_node(SimpleNamespace(id=machine.id)))
        except Refused as error:
            if "InvalidInstanceID.NotFound" not in str(error):
                raise

    def remove_rest(self, run: str) -> list[str]:
        left: list[str] = []
        mine = {"Filter.1.Name": f"tag:{tags.RUN}", "Filter.1.Value.1": run}
        for address in _texts(self._ask("DescribeAddresses", mine), "allocationId"):
            self._remove(left, f"address {address}", "ReleaseAddress", {"AllocationId": address})
        for disk in _texts(self._ask("DescribeVolumes", mine), "volumeId"):
            self._remove(left, f"volume {disk}", "DeleteVolume", {"VolumeId": disk})
        for key in _texts(self._ask("DescribeKeyPairs", mine), "keyName"):
            self._remove(left, f"key pair {key}", "DeleteKeyPair", {"KeyName": key})
        for group in self._found_groups(f"tag:{tags.RUN}", run):
            self._remove(left, f"security group {group.name}", "DeleteSecurityGroup", {"GroupId": group.id})
        return left

    def runs(self, installation: str) -> set[str]:
        mine = {f"tag:{tags.INSTALLATION}": installation}
        nodes = self._account.ask(lambda driver: driver.list_nodes(ex_filters=mine))
        found = {str(node.extra["tags"].get(tags.RUN)) for node in nodes if _state(node) != "gone"}
        bare = {"Filter.1.Name": f"tag:{tags.INSTALLATION}", "Filter.1.Value.1": installation}
        for action in ("DescribeKeyPairs", "DescribeSecurityGroups", "DescribeAddresses"):
            found |= set(_tagged(self._ask(action, bare), tags.RUN))
        return found

    def _ask(self, action: str, parameters: Mapping[str, str]) -> Any:
        """An action that libcloud has no method for, or has one without the tags; its answer as XML."""
        asked = {"Action": action, **parameters}
        return self._account.ask(lambda driver: driver.connection.request(driver.path, params=dict(asked)).object)

    def _remove(self, left: list[str], name: str, action: str, parameters: Mapping[str, str]) -> None:
        """Remove a thing; one that is still in use is noted, and one that is gone is as it should be."""
        try:
            self._ask(action, parameters)
        except Refused as error:
            if "NotFound" not in str(error):
                left.append(f"{name} ({str(error).removeprefix(f'{self.name}: ')})")

    def _import_key(self, run: str, tags_: Mapping[str, str], public_key: str) -> None:
        import base64

        name = {"KeyName": tags.name_of(run)}
        asked = {**name, "PublicKeyMaterial": base64.b64encode(public_key.encode()).decode(), **_specified("key-pair", tags_)}
        try:
            self._ask("ImportKeyPair", asked)
        except Refused as error:
            if "Duplicate" not in str(error):
                raise
            self._ask("DeleteKeyPair", name)  # another controller's, whose seed may have been another
            self._ask("ImportKeyPair", asked)

    def _make_group(self, run: str, tags_: Mapping[str, str], wish: Wish) -> None:
        subnet = self._subnet(wish)
        name = tags.name_of(run)
        asked = {"GroupName": name, "GroupDescription": f"SSH to the machines of Chiminey's run {run}"}
        if subnet is not None:
            asked["VpcId"] = subnet.extra["vpc_id"]
        try:
            self._ask("CreateSecurityGroup", asked | _specified("security-group", tags_))
        except Refused as error:
            if "Duplicate" not in str(error):
                raise
        group = next(self._found_groups("group-name", name))
        port = wish.ssh_port
        for network in wish.ssh_from or (self._caller(),):
            try:
                self._account.ask(
                    lambda driver, network=network: driver.ex_authorize_security_group_ingress(
                        group.id, port, port, cidr_ips=[network]
                    )
                )
            except Refused as error:
                if "Duplicate" not in str(error):
                    raise

    def _caller(self) -> str:
        if self._endpoint.hostname:
            return caller.towards(self._endpoint.hostname, self._endpoint.port or 443)
        return caller.on_the_internet()

    def _with_floating_address(self, machine: Machine, order: MachineOrder) -> Machine:
        """A machine with an elastic address: the one that was made for it, or a new one."""
        mine = {"Filter.1.Name": f"tag:{tags.RUN}", "Filter.1.Value.1": order.run}
        mine |= {"Filter.2.Name": f"tag:{tags.HOST}", "Filter.2.Value.1": order.host}
        answer = self._ask("DescribeAddresses", mine)
        if next(_texts(answer, "allocationId"), None) is None:
            answer = self._ask("AllocateAddress", {"Domain": "vpc"} | _specified("elastic-ip", order.tags))
        address, allocation = next(_texts(answer, "publicIp")), next(_texts(answer, "allocationId"))
        self._ask("AssociateAddress", {"InstanceId": machine.id, "AllocationId": allocation})
        return Machine(machine.id, machine.run, machine.host, machine.state, address, machine.private)

    def _image(self, wish: Wish) -> str:
        """The id of the image that is wished for, which may be named by ``owner/name``; the newest of several."""
        owner, slash, name = wish.image.rpartition("/")
        chosen: dict[str, Any] = {"ex_filters": {"name": name if slash else wish.image, "state": "available"}}
        if wish.image.startswith("ami-"):
            chosen = {"ex_image_ids": [wish.image]}
        elif slash:
            chosen["ex_owner"] = owner
        try:
            images = self._account.ask(lambda driver: driver.list_images(**chosen))
        except Refused as error:
            if not any(word in str(error) for word in _ELSEWHERE):
                raise
            images = []
        if not images:
            raise NotFound(f"image: {self.name} has no image {wish.image!r} for this account")
        owners = {str(image.extra.get("owner_id")) for image in images}
        if len(owners) > 1:
            named = ", ".join(f"{each}/{wish.image}" for each in sorted(owners)[:5])
            raise NotFound(f"image: {wish.image!r} is an image of several owners; name the one you trust: {named}")
        return str(max(images, key=lambda image: str(image.extra.get("creation_date"))).id)

    def _size_problem(self, wish: Wish) -> None:
        self.size(wish.size)

    def _zone_problem(self, wish: Wish) -> None:
        self._zone(wish)

    def _zone(self, wish: Wish) -> Any:
        if not wish.zone:
            return None
        zones = self._account.ask(lambda driver: driver.list_locations())
        for zone in zones:
            if zone.name == wish.zone:
                return zone
        raise NotFound(f"zone: {self.name} has no zone {wish.zone!r}; it has {', '.join(zone.name for zone in zones)}")

    def _subnet(self, wish: Wish) -> Any:
        """The subnet that is wished for, by its own name or id, or that of its network; None where none is."""
        if not wish.network:
            return None
        subnets = self._account.ask(lambda driver: driver.ex_list_subnets())
        networks = self._account.ask(lambda driver: driver.ex_list_networks())
        within = {network.id for network in networks if wish.network in (network.id, network.name)}
        for subnet in subnets:
            named = wish.network in (subnet.id, subnet.name) or subnet.extra.get("vpc_id") in within
            if named and wish.zone in ("", subnet.extra.get("zone")):
                return subnet
        raise NotFound(
            f"network: {self.name} has no network or subnet {wish.network!r}" + (f" in {wish.zone}" if wish.zone else "")
        )

    def _groups(self, wish: Wish) -> list[Any]:
        found: list[Any] = []
        for name in wish.security_groups:
            group = next(self._found_groups("group-id" if name.startswith("sg-") else "group-name", name), None)
            if group is None:
                raise NotFound(f"security_groups: {self.name} has no security group {name!r}")
            found.append(group)
        return found

    def _found_groups(self, filter: str, value: str) -> Iterator[Any]:
        return iter(self._account.ask(lambda driver: driver.ex_get_security_groups(filters={filter: value})))

    def _disk(self, image: str, size: int) -> dict[str, Any]:
        found = self._account.ask(lambda driver: driver.list_images(ex_image_ids=[image]))[0]
        name = str(found.extra.get("root_device_name") or "/dev/sda1")
        return {"DeviceName": name, "Ebs": {"VolumeSize": str(size), "DeleteOnTermination": "true"}}


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


def _specified(kind: str, tags_: Mapping[str, str]) -> dict[str, str]:
    """Tags as parameters of the call that makes a thing, so that it never is there without them."""
    named = {"TagSpecification.1.ResourceType": kind}
    for number, (key, value) in enumerate(tags_.items(), 1):
        named |= {f"TagSpecification.1.Tag.{number}.Key": key, f"TagSpecification.1.Tag.{number}.Value": value}
    return named


def _texts(answer: Any, name: str) -> Iterator[str]:
    """What all elements of a name hold, whatever their namespace."""
    return (str(each.text).strip() for each in answer.iter() if str(each.tag).rpartition("}")[2] == name and each.text)


def _tagged(answer: Any, key: str) -> Sequence[str]:
    """The values of a tag."""
    items = (each for each in answer.iter() if str(each.tag).rpartition("}")[2] == "item")
    pairs = ((next(_texts(item, "key"), ""), next(_texts(item, "value"), ""), len(list(item))) for item in items)
    return [value for name, value, parts in pairs if name == key and parts == 2]
