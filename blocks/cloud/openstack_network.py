"""Neutron's API where libcloud has no method for a request, or has one without what has to be said in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.cloud.calls import Account

_TAG_LENGTH = 60  # in Neutron's older versions


def neutron(account: Account, path: str, method: str, data: Mapping[str, Any] | None = None) -> Any:
    """What a request is answered."""
    asked: dict[str, Any] = {"method": method} | ({"data": data} if data is not None else {})
    return account.carry_out(lambda driver: driver.network_connection.request(path, **asked).object)


def tag(account: Account, kind: str, identity: str, named: Mapping[str, str]) -> None:
    """Tags for whoever looks at a thing in Neutron; what we ourselves go by was said when it was made."""
    told = [f"{name}={value}"[:_TAG_LENGTH] for name, value in named.items()]
    neutron(account, f"/v2.0/{kind}/{identity}/tags", "PUT", {"tags": told})


def addresses(driver: Any) -> list[dict[str, Any]]:
    """The floating addresses of the project."""
    return list(driver.network_connection.request("/v2.0/floatingips").object["floatingips"])
