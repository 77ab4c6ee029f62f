"""What a project may choose from in an OpenStack: images, flavors, networks, pools of addresses, groups and zones."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from blocks.cloud.calls import Account
from blocks.cloud.machine import Size, Wish
from blocks.errors import NotFound
from blocks.mistakes import suggestion


class OpenStackCatalogue:
    """Looks things up by their names or ids; every method raises NotFound, with the setting that names it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def problems(self, wish: Wish) -> list[str]:
        """What of a wish there is not."""
        found: list[str] = []
        for look_up in (self.image, self.flavor, self.network, self.groups, self.pool, self._zone):
            try:
                look_up(wish)
            except NotFound as error:
                found.append(str(error))
        return found

    def size(self, wanted: str) -> Size:
        flavor = self._named("size", "flavor", wanted, self._account.ask("list_sizes"))
        return Size(str(flavor.name), int(flavor.vcpus or 0))

    def image(self, wish: Wish) -> Any:
        images = self._account.ask("list_images")
        return self._named("image", "image", wish.image, sorted(images, key=lambda image: str(image.extra.get("created"))))

    def flavor(self, wish: Wish) -> Any:
        return self._named("size", "flavor", wish.size, self._account.ask("list_sizes"))

    def network(self, wish: Wish) -> Any:
        if not wish.network:
            return None
        return self._named("network", "network", wish.network, self._account.ask("ex_list_networks"))

    def pool(self, wish: Wish) -> Any:
        if not wish.floating_pool:
            return None
        pools = self._account.ask("ex_list_floating_ip_pools")
        return self._named("floating_pool", "external network", wish.floating_pool, pools)

    def groups(self, wish: Wish) -> list[Any]:
        if not wish.security_groups:
            return []
        there = self._account.ask("ex_list_security_groups")
        return [self._named("security_groups", "security group", name, there) for name in wish.security_groups]

    def _zone(self, wish: Wish) -> None:
        if wish.zone:
            zones = self._account.ask("ex_list_availability_zones")
            self._named("zone", "availability zone", wish.zone, [SimpleNamespace(id=each.name, name=each.name) for each in zones])

    def _named(self, setting: str, what: str, wanted: str, there: Sequence[Any]) -> Any:
        """The last of the things with this id or name."""
        for thing in reversed(there):
            if wanted in (str(thing.id), str(thing.name)):
                return thing
        near = suggestion(wanted, what, sorted({str(thing.name) for thing in there}))
        raise NotFound(f"{setting}: {self._account.name} has no {what} {wanted!r} for this project; {near}")
