"""The security group that a run has of its own, where none is given: it lets in SSH, from where the run is controlled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

from blocks.cloud import own_address, tags
from blocks.cloud.calls import Account
from blocks.cloud.ec2_catalogue import EC2Catalogue
from blocks.cloud.ec2_driver import EC2Place
from blocks.cloud.ec2_lag import once_known
from blocks.cloud.ec2_query import bearing, query, texts
from blocks.cloud.machine import Wish
from blocks.errors import Refused, Unreachable


class EC2Group:
    """The groups of an account's runs."""

    def __init__(self, account: Account, catalogue: EC2Catalogue, place: EC2Place) -> None:
        self._account = account
        self._catalogue = catalogue
        self._place = place
        self._made: dict[str, str] = {}  # the groups' ids, by their names

    def of(self, run: str) -> Any:
        """The group of a run. Raises Unreachable when it is not there yet."""
        name = tags.name_of(run)
        if name in self._made:
            return SimpleNamespace(id=self._made[name], name=name)
        for group in self._catalogue.found_groups({"group-name": name}):
            return group
        raise Unreachable(f"{self._account.name} does not know the security group of the run yet")

    def make(self, run: str, named: Mapping[str, str], wish: Wish) -> None:
        """Make it, or see that it is as it should be when it is there."""
        subnet = self._catalogue.subnet(wish)
        name = tags.name_of(run)
        asked = {"GroupName": name, "GroupDescription": f"SSH to the machines of the Chiminey run {run}"}
        if subnet is not None:
            asked["VpcId"] = subnet.extra["vpc_id"]
        try:
            answer = query(self._account, "CreateSecurityGroup", asked | bearing("security-group", named))
            self._made[name] = next(texts(answer, "groupId"))
        except Refused as error:
            if "VPCIdNotSpecified" in str(error):
                raise Refused(
                    f"network: {self._account.name} has no network of its own for this account; name one of yours, or a subnet"
                ) from error
            if "Duplicate" not in str(error):
                raise
        group = self.of(run)
        for network in wish.ssh_from or (self._own_address(wish, subnet),):
            try:
                once_known(
                    partial(query, self._account, "AuthorizeSecurityGroupIngress", _rule(group.id, wish.ssh_port, network))
                )
            except Refused as error:
                if "Duplicate" not in str(error):
                    raise

    def _own_address(self, wish: Wish, subnet: Any) -> str:
        """This machine's address as the run's machines will see it."""
        if wish.private_address:
            there = str(ip_network(subnet.extra["cidr_block"])[1]) if subnet is not None else self._place.host
            return own_address.towards(there, wish.ssh_port)
        if self._place.is_amazons:
            return own_address.on_the_internet()
        return own_address.beside(self._place.host, self._place.port)


def _rule(group: str, port: int, network: str) -> dict[str, str]:
    """Parameters that let a network in, of whichever version of IP."""
    ranges = "Ipv6Ranges.1.CidrIpv6" if ip_network(network).version == 6 else "IpRanges.1.CidrIp"
    told = {"IpProtocol": "tcp", "FromPort": str(port), "ToPort": str(port), ranges: network}
    return {"GroupId": group} | {f"IpPermissions.1.{name}": value for name, value in told.items()}
