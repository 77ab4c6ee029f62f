"""Providers that only libcloud knows, by drivers that go nowhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from libcloud.compute.drivers.digitalocean import DigitalOcean_v2_NodeDriver
from libcloud.compute.drivers.vultr import VultrNodeDriverV2
from pydantic import SecretStr

from blocks.cloud.machine import Wish
from blocks.cloud.provider import MachineOrder, Provider
from blocks.credentials import LibcloudCredentials

WISH = Wish("debian-12-x64", "s-1vcpu-1gb", zone="fra1")


@pytest.fixture(autouse=True)
def offers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each, as DigitalOcean names it: an image has a number for an id, a name, and a slug by which it is known."""
    image = SimpleNamespace(id=4711, name="12 x64", extra={"slug": "debian-12-x64"})
    size, place = SimpleNamespace(id="s-1vcpu-1gb", name="s-1vcpu-1gb", extra={}), SimpleNamespace(id="fra1", name="F", extra={})
    for kind in (DigitalOcean_v2_NodeDriver, VultrNodeDriverV2):
        for name, thing in {"images": image, "sizes": size, "locations": place}.items():
            monkeypatch.setattr(kind, f"list_{name}", lambda _self, thing=thing, **_: [thing])
        monkeypatch.setattr(kind, "list_nodes", lambda _self: [])


def at(provider: str) -> Provider:
    return LibcloudCredentials(provider_name=provider, secret=SecretStr("token")).provider()


@pytest.mark.parametrize("provider", ["digitalocean", "vultr"])
def test_those_that_the_documentation_names_can_be_used(provider: str) -> None:
    assert at(provider).problems(WISH) == []


def test_a_driver_without_user_data_is_refused_before_anything_is_made() -> None:
    (told, *_) = at("dummy").problems(Wish("Ubuntu 9.10", "Small", zone="Paul's Room"))
    assert told.endswith("its driver in apache-libcloud takes no user data")


def test_a_place_is_asked_for_where_there_must_be_one() -> None:
    (told,) = at("digitalocean").problems(Wish("debian-12-x64", "s-1vcpu-1gb"))
    assert told.startswith("zone: digitalocean has to be told where")


def test_a_machine_is_made_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def create_node(
        _self: Any, name: str, size: Any, image: Any, location: Any, ex_create_attr: Any = None, ex_user_data: str = ""
    ) -> Any:
        made.append((name, size.id, image.id, location.id, ex_create_attr, ex_user_data))
        return SimpleNamespace(id=1, name=name, state="pending", public_ips=[], private_ips=[], extra={})

    monkeypatch.setattr(DigitalOcean_v2_NodeDriver, "create_node", create_node)

    machine = at("digitalocean").make(MachineOrder("1f2e", "machine-1", {}, "#cloud-config", WISH))

    assert (machine.id, machine.run, machine.host, machine.state) == ("1", "1f2e", "machine-1", "coming")
    assert made == [("chiminey-1f2e-machine-1", "s-1vcpu-1gb", 4711, "fra1", None, "#cloud-config")]
