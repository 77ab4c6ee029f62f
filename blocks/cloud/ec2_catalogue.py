"""What an account may choose from at EC2: images, instance types, zones, subnets and security groups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from blocks.cloud.calls import Account
from blocks.cloud.ec2_query import items, query, texts
from blocks.cloud.machine import Size, Wish
from blocks.errors import NotFound, Refused

_OWNER = re.compile(r"\d{12}|self|amazon|aws-marketplace|aws-backup-vault")  # as DescribeImages takes it
_ABSENT = ("NotFound", "Malformed", "Not authorized for")  # in what EC2 says of what is not there


class EC2Catalogue:
    """Looks things up by their names or ids; every method raises NotFound, with the setting that names it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def problems(self, wish: Wish) -> list[str]:
        """What of a wish there is not."""
        found: list[str] = []
        for look_up in (self.image, self._size, self.zone, self.subnet, self.groups):
            try:
                look_up(wish)
            except NotFound as error:
                found.append(str(error))
        return found

    def _size(self, wish: Wish) -> None:
        self.size(wish.size)

    def size(self, wanted: str) -> Size:
        try:
            answer = query(self._account, "DescribeInstanceTypes", {"InstanceType.1": wanted})
        except Refused as error:
            if "InvalidInstanceType" not in str(error) and "InvalidParameterValue" not in str(error):
                raise
            raise NotFound(f"size: {self._account.name} has no instance type {wanted!r}") from error
        processors = next(texts(answer, "defaultVCpus"), "0")
        if next(texts(answer, "instanceType"), None) is None:
            raise NotFound(f"size: {self._account.name} has no instance type {wanted!r}")
        return Size(wanted, int(processors))

    def image(self, wish: Wish) -> str:
        """The id of the image that is wished for, which may be named by ``owner/name``; the newest of several."""
        owner, name = _owner_and_name(wish.image)
        chosen: dict[str, Any] = {"ex_filters": {"name": name, "state": "available"}}
        if wish.image.startswith("ami-"):
            chosen = {"ex_image_ids": [wish.image]}
        elif owner:
            chosen["ex_owner"] = owner
        try:
            images: list[Any] = self._account.ask("list_images", **chosen)
        except Refused as error:
            if not any(word in str(error) for word in _ABSENT):
                raise
            images = []
        if not images:
            raise NotFound(f"image: {self._account.name} has no image {wish.image!r} for this account")
        owners = {str(image.extra.get("owner_id")) for image in images}
        if len(owners) > 1:
            named = ", ".join(f"{each}/{wish.image}" for each in sorted(owners)[:5])
            raise NotFound(f"image: {wish.image!r} is an image of several owners; name the one you trust: {named}")
        return str(max(images, key=lambda image: str(image.extra.get("creation_date"))).id)

    def zone(self, wish: Wish) -> Any:
        if not wish.zone:
            return None
        zones = self._account.ask("list_locations")
        for zone in zones:
            if zone.name == wish.zone:
                return zone
        raise NotFound(f"zone: {self._account.name} has no zone {wish.zone!r}; it has {', '.join(zone.name for zone in zones)}")

    def subnet(self, wish: Wish) -> Any:
        """The subnet that is wished for, by its own name or id, or one of its network; None where none is wished for."""
        if not wish.network:
            return None
        subnets = self._account.ask("ex_list_subnets")
        networks = self._account.ask("ex_list_networks")
        within = {network.id for network in networks if wish.network in (network.id, network.name)}
        fitting = [
            subnet
            for subnet in subnets
            if (wish.network in (subnet.id, subnet.name) or subnet.extra.get("vpc_id") in within)
            and wish.zone in ("", subnet.extra.get("zone"))
        ]
        if fitting:
            return fitting[0] if len(fitting) == 1 else self._with_a_way_out(fitting, public=not wish.private_address)
        raise NotFound(
            f"network: {self._account.name} has no network or subnet {wish.network!r}" + (f" in {wish.zone}" if wish.zone else "")
        )

    def _with_a_way_out(self, subnets: list[Any], *, public: bool) -> Any:
        """One whose machines most likely reach the internet: those with public addresses from one that gives such by itself."""
        asked = {f"SubnetId.{number}": str(subnet.id) for number, subnet in enumerate(subnets, 1)}
        there = items(query(self._account, "DescribeSubnets", asked))
        gives = {next(texts(each, "subnetId")): next(texts(each, "mapPublicIpOnLaunch"), "") == "true" for each in there}
        return next((subnet for subnet in subnets if gives.get(str(subnet.id), False) == public), subnets[0])

    def groups(self, wish: Wish) -> list[Any]:
        """The groups that are wished for; those that are named are of the network that is, for each may have one of the name."""
        found: list[Any] = []
        for name in wish.security_groups:
            there = {"group-id": name} if name.startswith("sg-") else {"group-name": name} | self._of_network(wish)
            group = next(self.found_groups(there), None)
            if group is None:
                raise NotFound(f"security_groups: {self._account.name} has no security group {name!r}")
            found.append(group)
        return found

    def _of_network(self, wish: Wish) -> dict[str, str]:
        """The filter for the network that is wished for. One that is not there is told of by ``subnet``."""
        try:
            subnet = self.subnet(wish)
        except NotFound:
            return {}
        return {"vpc-id": str(subnet.extra["vpc_id"])} if subnet is not None else {}

    def found_groups(self, filters: Mapping[str, str]) -> Iterator[Any]:
        return iter(self._account.ask("ex_get_security_groups", filters=dict(filters)))

    def disk(self, image: str, size: int) -> dict[str, str]:
        """The parameters for a system disk of so many GB."""
        found = self._account.ask("list_images", ex_image_ids=[image])[0]
        name = str(found.extra.get("root_device_name") or "/dev/sda1")
        wanted = {"DeviceName": name, "Ebs.VolumeSize": str(size), "Ebs.DeleteOnTermination": "true"}
        return {f"BlockDeviceMapping.1.{setting}": value for setting, value in wanted.items()}


def _owner_and_name(image: str) -> tuple[str, str]:
    """The two parts of an image's name with an owner. There are slashes in names as well, such as Canonical's."""
    head, _, rest = image.partition("/")
    return (head, rest) if rest and _OWNER.fullmatch(head) else ("", image)
