"""OpenStack: Nova's servers, Glance's images, Neutron's networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from blocks.cloud import caller, tags
from blocks.cloud.calls import Account
from blocks.cloud.machine import Machine, MachineState, Size, Wish
from blocks.cloud.openstack_login import OpenStackLogin
from blocks.cloud.provider import MachineOrder, Provider, Quota
from blocks.errors import InvalidRequest, NotFound, Refused
from blocks.mistakes import suggestion

_STATES: dict[str, MachineState] = {
    "running": "running",
    "pending": "coming",
    "rebooting": "coming",
    "starting": "coming",
    "unknown": "coming",
    "terminated": "gone",
}  # any other: it is there, and will not run by itself
_TAG_LENGTH = 60  # of Neutron's tags, in its older versions


class OpenStackProvider(Provider):
    """A project of a cloud."""

    def __init__(self, login: OpenStackLogin) -> None:
        if urlsplit(login.auth_url).scheme not in ("http", "https"):
            raise InvalidRequest(f"auth_url: {login.auth_url!r} is no URL, such as https://cloud.example:5000/v3")
        self._login = login
        self._account = Account(self.name, login.driver)

    @property
    def name(self) -> str:
        return f"OpenStack at {urlsplit(self._login.place).netloc}"

    def problems(self, wish: Wish) -> list[str]:
        found: list[str] = []
        for look_up in (self._image, self._flavor, self._network, self._groups, self._pool, self._zone):
            try:
                look_up(wish)
            except NotFound as error:
                found.append(str(error))
        if wish.spot:
            found.append("spot: OpenStack has no spare capacity to offer; leave it out")
        return found

    def size(self, wanted: str) -> Size:
        flavor = self._named("size", "flavor", wanted, self._account.ask("list_sizes"))
        return Size(str(flavor.id), str(flavor.name), int(flavor.vcpus or 0))

    def quota(self) -> Quota | None:
        answer = self._account.carry_out(lambda driver: driver.connection.request("/limits").object)
        limits: dict[str, int] = answer["limits"]["absolute"]
        most, used = limits["maxTotalInstances"], limits["totalInstancesUsed"]
        if most < 0:
            return None
        cores, busy = limits["maxTotalCores"], limits["totalCoresUsed"]
        left = max(0, most - used)
        told = f", and {max(0, cores - busy)} of {cores} processors" if cores >= 0 else ""
        return Quota(left, f"{left} of {most} machines{told} are left", max(0, cores - busy) if cores >= 0 else None)

    def prepare(self, run: str, tags: Mapping[str, str], public_key: str, wish: Wish) -> None:
        self._import_key(run, public_key)
        if not wish.security_groups:
            self._make_group(run, tags, wish)

    def make(self, order: MachineOrder) -> Machine:
        wish = order.wish
        groups = self._groups(wish) or self._found_groups(order.run)[:1]
        network = self._network(wish)
        image, flavor = self._image(wish), self._flavor(wish)
        asked: dict[str, Any] = {
            "name": tags.machine_name(order.run, order.host),
            "image": image,
            "size": flavor,
            "ex_keyname": tags.name_of(order.run),
            "ex_userdata": order.user_data,
            "ex_metadata": dict(order.tags),
            "ex_security_groups": groups,
        }
        if network is not None:
            asked["networks"] = [network]
        if wish.zone:
            asked["ex_availability_zone"] = wish.zone
        if wish.disk:
            del asked["image"]
            asked["ex_blockdevicemappings"] = [_disk(str(image.id), wish.disk)]

        def once(driver: Any) -> Any:
            """Nova knows no client token: what an answer that was lost told of is looked for before another is asked for."""
            there = [
                node for node in driver.list_nodes() if _machine(node).run == order.run and _machine(node).host == order.host
            ]
            return there[0] if there else driver.create_node(**asked)

        return replace(_machine(self._account.carry_out(once)), run=order.run, host=order.host)

    def machines(self, run: str) -> list[Machine]:
        there = [_machine(node) for node in self._account.ask("list_nodes")]
        return [machine for machine in there if machine.run == run]

    def settle(self, machine: Machine, order: MachineOrder) -> Machine:
        pool = self._pool(order.wish)
        if pool is None:
            return machine
        name = tags.machine_name(order.run, order.host)
        mine = [address for address in self._addresses() if address["description"] == name]
        if not mine:
            ports = self._account.ask("ex_get_node_ports", SimpleNamespace(id=machine.id))
            asked = {"floating_network_id": pool.id, "port_id": ports[0].id, "description": name}
            mine = [self._neutron("/v2.0/floatingips", "POST", {"floatingip": asked})["floatingip"]]
            self._tag("floatingips", mine[0]["id"], order.tags)
        return replace(machine, public=str(mine[0]["floating_ip_address"]))

    def end(self, machine: Machine) -> None:
        try:
            self._account.ask("destroy_node", SimpleNamespace(id=machine.id))
        except Refused as error:
            if not _is_absent(error):
                raise

    def remove_rest(self, run: str) -> list[str]:
        left: list[str] = []
        for address in self._addresses():
            if address["description"].startswith(f"{tags.name_of(run)}-"):
                path = f"/v2.0/floatingips/{address['id']}"
                self._remove(left, f"address {address['floating_ip_address']}", partial(self._neutron, path, "DELETE"))
        for key in self._account.ask("list_key_pairs"):
            if key.name == tags.name_of(run):
                self._remove(left, f"key pair {key.name}", partial(self._account.ask, "delete_key_pair", key))
        for group in self._found_groups(run):
            self._remove(left, f"security group {group.name}", partial(self._account.ask, "ex_delete_security_group", group))
        return left

    def runs(self, installation: str) -> set[str]:
        nodes = self._account.ask("list_nodes")
        ours: list[Mapping[str, str]] = [node.extra.get("metadata") or {} for node in nodes]
        found = {str(each.get(tags.RUN)) for each in ours if each.get(tags.INSTALLATION) == installation}
        groups = self._account.ask("ex_list_security_groups")
        for group in groups:
            if str(group.description) == _described(installation) and group.name.startswith(tags.name_of("")):
                found.add(group.name.removeprefix(tags.name_of("")))
        return found

    def _neutron(self, path: str, method: str = "GET", data: Mapping[str, Any] | None = None) -> Any:
        """A request that libcloud has no method for, or has one without what has to be said in it."""
        asked: dict[str, Any] = {"method": method} | ({"data": data} if data is not None else {})
        return self._account.carry_out(lambda driver: driver.network_connection.request(path, **asked).object)

    def _remove(self, left: list[str], name: str, act: Callable[[], Any]) -> None:
        """Remove a thing; one that is still in use is noted, and one that is gone is as it should be."""
        try:
            act()
        except Refused as error:
            if not _is_absent(error):
                left.append(f"{name} ({str(error).removeprefix(f'{self.name}: ')})")

    def _tag(self, kind: str, identity: str, named: Mapping[str, str]) -> None:
        """Tags for whoever looks at it in Neutron; what we ourselves go by was said when it was made."""
        told = [f"{name}={value}"[:_TAG_LENGTH] for name, value in named.items()]
        self._neutron(f"/v2.0/{kind}/{identity}/tags", "PUT", {"tags": told})

    def _addresses(self) -> list[dict[str, Any]]:
        return list(self._neutron("/v2.0/floatingips")["floatingips"])

    def _import_key(self, run: str, public_key: str) -> None:
        name = tags.name_of(run)
        for _ in range(2):
            try:
                self._account.ask("import_key_pair_from_string", name, public_key)
                return
            except Refused as error:
                if "exists" not in str(error):
                    raise
            self._account.ask("delete_key_pair", SimpleNamespace(name=name))  # of a controller that had another seed

    def _make_group(self, run: str, named: Mapping[str, str], wish: Wish) -> None:
        if not self._found_groups(run):
            described = _described(named[tags.INSTALLATION])
            self._account.ask("ex_create_security_group", tags.name_of(run), described)
        group = self._found_groups(run)[0]
        self._tag("security-groups", str(group.id), named)
        for network in wish.ssh_from or (self._caller(),):
            try:
                self._account.ask("ex_create_security_group_rule", group, "tcp", wish.ssh_port, wish.ssh_port, cidr=network)
            except Refused as error:
                if "exists" not in str(error):
                    raise

    def _caller(self) -> str:
        place = urlsplit(self._login.auth_url)
        return caller.towards(str(place.hostname), place.port or 443)

    def _found_groups(self, run: str) -> list[Any]:
        groups = self._account.ask("ex_list_security_groups")
        return [group for group in groups if group.name == tags.name_of(run)]

    def _image(self, wish: Wish) -> Any:
        images = self._account.ask("list_images")
        return self._named("image", "image", wish.image, sorted(images, key=lambda image: str(image.extra.get("created"))))

    def _flavor(self, wish: Wish) -> Any:
        return self._named("size", "flavor", wish.size, self._account.ask("list_sizes"))

    def _network(self, wish: Wish) -> Any:
        if not wish.network:
            return None
        return self._named("network", "network", wish.network, self._account.ask("ex_list_networks"))

    def _pool(self, wish: Wish) -> Any:
        if not wish.floating_pool:
            return None
        pools = self._account.ask("ex_list_floating_ip_pools")
        return self._named("floating_pool", "external network", wish.floating_pool, pools)

    def _groups(self, wish: Wish) -> list[Any]:
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
        raise NotFound(f"{setting}: {self.name} has no {what} {wanted!r} for this project; {near}")


def _machine(node: Any) -> Machine:
    named: Mapping[str, str] = node.extra.get("metadata") or {}
    state = _STATES.get(str(node.state), "failed")
    fault: Mapping[str, str] = node.extra.get("fault") or {}
    public = [address for address in node.public_ips if address not in node.private_ips]
    reason = f"its state is {node.state}" + (f": {fault['message']}" if fault.get("message") else "")
    return Machine(
        str(node.id),
        str(named.get(tags.RUN, "")),
        str(named.get(tags.HOST, "")),
        state,
        next(iter(public), ""),
        next(iter(node.private_ips), "") or next(iter(public), ""),
        "" if state in ("coming", "running") else reason,
    )


def _disk(image: str, size: int) -> dict[str, Any]:
    """A system disk of its own size, which goes with its machine."""
    return {
        "boot_index": 0,
        "uuid": image,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": size,
        "delete_on_termination": True,
    }


def _described(installation: str) -> str:
    """What tells whose a security group is from the moment that it is there."""
    return f"SSH to machines of Chiminey {installation}"


def _is_absent(error: Refused) -> bool:
    return "404" in str(error) or "could not be found" in str(error)
