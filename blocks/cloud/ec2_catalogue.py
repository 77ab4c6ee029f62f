"""What an account may choose from at EC2: images, instance types, zones, subnets and security groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks.cloud.calls import Account
from blocks.cloud.ec2_query import query, texts
from blocks.cloud.machine import Size, Wish
from blocks.errors import NotFound, Refused

_ABSENT = ("NotFound", "Malformed")  # in what EC2 says of what is not there


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
        return Size(wanted, wanted, int(processors))

    def image(self, wish: Wish) -> str:
        """The id of the image that is wished for, which may be named by ``owner/name``; the newest of several."""
        owner, slash, name = wish.image.rpartition("/")
        chosen: dict[str, Any] = {"ex_filters": {"name": name if slash else wish.image, "state": "available"}}
        if wish.image.startswith("ami-"):
            chosen = {"ex_image_ids": [wish.image]}
        elif slash:
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
        """The subnet that is wished for, by its own name or id, or that of its network; None where none is."""
        if not wish.network:
            return None
        subnets = self._account.ask("ex_list_subnets")
        networks = self._account.ask("ex_list_networks")
        within = {network.id for network in networks if wish.network in (network.id, network.name)}
        for subnet in subnets:
            named = wish.network in (subnet.id, subnet.name) or subnet.extra.get("vpc_id") in within
            if named and wish.zone in ("", subnet.extra.get("zone")):
                return subnet
        raise NotFound(
            f"network: {self._account.name} has no network or subnet {wish.network!r}" + (f" in {wish.zone}" if wish.zone else "")
        )

    def groups(self, wish: Wish) -> list[Any]:
        found: list[Any] = []
        for name in wish.security_groups:
            group = next(self.found_groups("group-id" if name.startswith("sg-") else "group-name", name), None)
            if group is None:
                raise NotFound(f"security_groups: {self._account.name} has no security group {name!r}")
            found.append(group)
        return found

    def found_groups(self, filter: str, value: str) -> Iterator[Any]:
        return iter(self._account.ask("ex_get_security_groups", filters={filter: value}))

    def disk(self, image: str, size: int) -> dict[str, Any]:
        found = self._account.ask("list_images", ex_image_ids=[image])[0]
        name = str(found.extra.get("root_device_name") or "/dev/sda1")
        return {"DeviceName": name, "Ebs": {"VolumeSize": str(size), "DeleteOnTermination": "true"}}
