"""RunInstances: one machine, with its tags and its disks' from the first moment on.

Asked for in the body of a request: Amazon takes no long URLs, which are also written down in many places, and what a machine is
told holds the private key by which it is known.
Source: Amazon EC2 API Reference, RunInstances.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from blocks.cloud import tags
from blocks.cloud.calls import Account
from blocks.cloud.ec2_query import bearing
from blocks.cloud.provider import MachineOrder
from blocks.errors import Refused

USER_DATA_LIMIT = 16_384  # bytes, before they are encoded


def launch(account: Account, asked: Mapping[str, str]) -> Any:
    """Ask for the machine; gives libcloud's node."""

    def once(driver: Any) -> Any:
        form = {"Action": "RunInstances", "Version": driver.connection.version, "MinCount": "1", "MaxCount": "1", **asked}
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        answer = driver.connection.request(driver.path, data=urlencode(form), headers=headers, method="POST")
        return driver._to_nodes(answer.object, "instancesSet/item")[0]

    return account.carry_out(once)


def order(order: MachineOrder, image: str) -> dict[str, str]:
    """The parameters that say what a machine is to be, without its place in the network.

    Raises:
        Refused: what it is to be told is too long.
    """
    wish = order.wish
    length = len(order.user_data.encode())
    if length > USER_DATA_LIMIT:
        raise Refused(
            f"user_data: EC2 takes {USER_DATA_LIMIT} bytes, and with what Chiminey adds it has {length}; "
            "let it fetch a longer script from somewhere, or put what it does into an image"
        )
    name = tags.machine_name(order.run, order.host)
    asked = {
        "ImageId": image,
        "InstanceType": wish.size,
        "KeyName": tags.name_of(order.run),
        "UserData": base64.b64encode(order.user_data.encode()).decode(),
        "ClientToken": name,
        **bearing("instance", {"Name": name, **order.tags}),
        **bearing("volume", order.tags, specification=2),
    }
    if wish.spot:  # those are terminated in any case, and can't be asked to be
        asked["InstanceMarketOptions.MarketType"] = "spot"
    else:
        asked["InstanceInitiatedShutdownBehavior"] = "terminate"
    if wish.zone:
        asked["Placement.AvailabilityZone"] = wish.zone
    return asked


def in_subnet(subnet: str, groups: Sequence[str], *, has_public_address: bool) -> dict[str, str]:
    """The parameters that put it into a subnet, with groups by their ids."""
    public = "true" if has_public_address else "false"  # else the subnet would decide
    told = {"SubnetId": subnet, "DeviceIndex": "0", "AssociatePublicIpAddress": public, "DeleteOnTermination": "true"}
    told |= {f"SecurityGroupId.{number}": group for number, group in enumerate(groups, 1)}
    return {f"NetworkInterface.1.{setting}": value for setting, value in told.items()}


def in_the_accounts_network(groups: Sequence[str]) -> dict[str, str]:
    """The parameters that put it where the account's machines are by default; groups are ids, or names of groups there."""
    ids, names = ([group for group in groups if group.startswith("sg-") is is_id] for is_id in (True, False))
    by_id = {f"SecurityGroupId.{number}": group for number, group in enumerate(ids, 1)}
    return by_id | {f"SecurityGroup.{number}": group for number, group in enumerate(names, 1)}
