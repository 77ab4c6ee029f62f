"""The security group that a run has of its own, where none is given: it lets in SSH, from where the run is controlled."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from blocks.cloud import own_address, tags
from blocks.cloud.calls import Account
from blocks.cloud.machine import Wish
from blocks.cloud.openstack_network import neutron, tag
from blocks.errors import Refused


class OpenStackGroup:
    """The groups of a project's runs."""

    def __init__(self, account: Account, auth_url: str) -> None:
        self._account = account
        self._auth_url = auth_url

    def of(self, run: str) -> list[Any]:
        """The groups of a run, as far as they are there."""
        groups = self._account.ask("ex_list_security_groups")
        return [group for group in groups if group.name == tags.name_of(run)]

    def runs(self, installation: str) -> set[str]:
        """The runs of an installation of which groups are there."""
        groups = self._account.ask("ex_list_security_groups")
        ours = [str(group.name) for group in groups if str(group.description) == _described(installation)]
        return {name.removeprefix(tags.name_of("")) for name in ours if name.startswith(tags.name_of(""))}

    def make(self, run: str, named: Mapping[str, str], wish: Wish) -> None:
        """Make it, or see that it is as it should be when it is there."""
        name, described = tags.name_of(run), _described(named[tags.INSTALLATION])

        def once(driver: Any) -> Any:
            """Neutron would make another one of the same name, after an answer that was lost."""
            there = [group for group in driver.ex_list_security_groups() if group.name == name]
            return there[0] if there else driver.ex_create_security_group(name, described)

        group = self._account.carry_out(once)
        tag(self._account, "security-groups", str(group.id), named)
        for network in wish.ssh_from or (self._own_address(wish),):
            try:
                rule = _rule(str(group.id), wish.ssh_port, network)
                neutron(self._account, "/v2.0/security-group-rules", "POST", {"security_group_rule": rule})
            except Refused as error:
                if "exists" not in str(error):
                    raise

    def _own_address(self, wish: Wish) -> str:
        """This machine's address as the run's machines will see it."""
        place = urlsplit(self._auth_url)
        seen = own_address.towards if wish.private_address else own_address.beside
        return seen(str(place.hostname), place.port or 443)


def _rule(group: str, port: int, network: str) -> dict[str, Any]:
    """What lets a network in, of whichever version of IP."""
    return {
        "security_group_id": group,
        "direction": "ingress",
        "ethertype": f"IPv{ip_network(network).version}",
        "protocol": "tcp",
        "port_range_min": port,
        "port_range_max": port,
        "remote_ip_prefix": network,
    }


def _described(installation: str) -> str:
    """What tells whose a security group is from the moment that it is there."""
    return f"SSH to machines of Chiminey {installation}"
