"""OpenStack: Nova's servers, Glance's images, Neutron's networks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from blocks.cloud import tags
from blocks.cloud.calls import Account
from blocks.cloud.machine import Machine, MachineState, Size, Wish
from blocks.cloud.openstack_catalogue import OpenStackCatalogue
from blocks.cloud.openstack_group import OpenStackGroup
from blocks.cloud.openstack_login import OpenStackLogin
from blocks.cloud.openstack_network import addresses, neutron, tag
from blocks.cloud.provider import MachineOrder, Provider, Quota
from blocks.errors import InvalidRequest, Refused

PLACING_LIMIT = 10.0  # seconds: a cancel in the Prefect UI leaves thirty, and a machine that stays costs more than its port
PLACING_SECONDS = 0.25  # until the second look at whether a place is chosen; later ones are rarer
_STATES: dict[str, MachineState] = {
    "running": "running",
    "pending": "coming",
    "rebooting": "coming",
    "starting": "coming",
    "unknown": "coming",
    "terminated": "gone",
}  # any other: it is there, and will not run by itself
_NO_SUCH = re.compile(r"(?<![\w-])404(?![\w-])|could not be found")  # and no part of an identifier


class OpenStackProvider(Provider):
    """A project of a cloud."""

    def __init__(self, log_in: Callable[[], OpenStackLogin]) -> None:
        login = log_in()
        if urlsplit(login.auth_url).scheme not in ("http", "https"):
            raise InvalidRequest(f"auth_url: {login.auth_url!r} is no URL, such as https://cloud.example:5000/v3")
        self._login = login
        self._account = Account(self.name, lambda: log_in().driver())
        self._catalogue = OpenStackCatalogue(self._account)
        self._groups = OpenStackGroup(self._account, login.auth_url)

    @property
    def name(self) -> str:
        return f"OpenStack at {urlsplit(self._login.place).netloc}"

    def problems(self, wish: Wish) -> list[str]:
        found = self._catalogue.problems(wish)
        if wish.spot:
            found.append("spot: OpenStack has no spare capacity to offer; leave it out")
        return found

    def size(self, wanted: str) -> Size:
        return self._catalogue.size(wanted)

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

    def prepare(self, run: str, named: Mapping[str, str], public_key: str, wish: Wish) -> None:
        self._import_key(run, public_key)
        if not wish.security_groups:
            self._groups.make(run, named, wish)

    def make(self, order: MachineOrder) -> Machine:
        wish = order.wish
        groups = self._catalogue.groups(wish) or self._groups.of(order.run)[:1]
        network = self._catalogue.network(wish)
        image, flavor = self._catalogue.image(wish), self._catalogue.flavor(wish)
        asked: dict[str, Any] = {
            "name": tags.machine_name(order.run, order.host),
            "image": image,
            "size": flavor,
            "ex_keyname": tags.name_of(order.run),
            "ex_userdata": order.user_data,
            "ex_metadata": dict(order.tags),
            "ex_security_groups": [SimpleNamespace(name=group.id) for group in groups],  # names may be those of several
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
        pool = self._catalogue.pool(order.wish)
        if pool is None:
            return machine
        name = tags.machine_name(order.run, order.host)

        def once(driver: Any) -> Any:
            for address in addresses(driver):
                if address["description"] == name:
                    return address
            ports = driver.ex_get_node_ports(SimpleNamespace(id=machine.id))
            asked = {"floating_network_id": pool.id, "port_id": ports[0].id, "description": name}
            answer = driver.network_connection.request("/v2.0/floatingips", method="POST", data={"floatingip": asked})
            return answer.object["floatingip"]

        address = self._account.carry_out(once)
        tag(self._account, "floatingips", address["id"], order.tags)
        return replace(machine, public=str(address["floating_ip_address"]))

    def end(self, machine: Machine) -> bool:
        self._wait_for_place(machine)
        try:
            self._account.ask("destroy_node", SimpleNamespace(id=machine.id))
        except Refused as error:
            if not _is_absent(error):
                raise
            return False
        return True

    def take_back_address(self, run: str, host: str) -> None:
        self._release(lambda description: description == tags.machine_name(run, host), left=[])

    def remove_rest(self, run: str) -> list[str]:
        left: list[str] = []
        self._release(lambda description: description.startswith(f"{tags.name_of(run)}-"), left)
        for key in self._account.ask("list_key_pairs"):
            if key.name == tags.name_of(run):
                self._remove(left, f"key pair {key.name}", partial(self._account.ask, "delete_key_pair", key))
        for group in self._groups.of(run):
            self._remove(left, f"security group {group.name}", partial(self._account.ask, "ex_delete_security_group", group))
        return left

    def runs(self, installation: str) -> set[str]:
        nodes = self._account.ask("list_nodes")
        ours: list[Mapping[str, str]] = [node.extra.get("metadata") or {} for node in nodes]
        found = {str(each.get(tags.RUN)) for each in ours if each.get(tags.INSTALLATION) == installation}
        return found | self._groups.runs(installation)

    def _release(self, is_meant: Callable[[str], bool], left: list[str]) -> None:
        """Delete the floating addresses that are meant, by their descriptions."""
        for address in self._addresses():
            if is_meant(address["description"]):
                path = f"/v2.0/floatingips/{address['id']}"
                self._remove(left, f"address {address['floating_ip_address']}", partial(neutron, self._account, path, "DELETE"))

    def _addresses(self) -> list[Any]:
        """The project's floating addresses; none where Neutron has no routers, and so knows no such thing."""
        try:
            return list(self._account.carry_out(addresses))
        except Refused as error:
            if not _is_absent(error):
                raise
            return []

    def _wait_for_place(self, machine: Machine) -> None:
        """Wait until Nova has chosen where a server is to be, unless it takes long.

        It deletes one without a place at once, beside whoever is making it, and then a port may be left that nobody deletes.
        """
        deadline, pause = time.monotonic() + PLACING_LIMIT, PLACING_SECONDS
        while (node := self._account.ask("ex_get_node_details", machine.id)) is not None:
            is_coming = _STATES.get(str(node.state)) == "coming"
            if node.extra["hostId"] or not is_coming or time.monotonic() > deadline:
                return
            time.sleep(pause)
            pause *= 1.5

    def _remove(self, left: list[str], name: str, act: Callable[[], Any]) -> None:
        """Remove a thing; one that is still in use is noted, and one that is gone is as it should be."""
        try:
            act()
        except Refused as error:
            if not _is_absent(error):
                left.append(f"{name} ({str(error).removeprefix(f'{self.name}: ')})")

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


def _is_absent(error: Refused) -> bool:
    return _NO_SUCH.search(str(error)) is not None
