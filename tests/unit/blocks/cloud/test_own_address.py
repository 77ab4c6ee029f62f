"""From where the machines of a run see the one that controls it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.cloud import own_address

AT_HOME, IN_THE_CLOUD, ROUTER = "192.168.1.7", "10.0.0.5", "198.51.100.1"
WORLD = "8.8.8.8"

Network = Callable[[str, list[str]], None]


class Probe:
    """A socket that knows which address it would send from."""

    own: dict[int, str]

    def __init__(self, family: int, _kind: int) -> None:
        self._family = family

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, _place: Any) -> None:
        pass

    def getsockname(self) -> tuple[str, int]:
        return self.own[self._family], 40000


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Sets this machine's own address, and those of every other; from outside, a router's is seen."""

    def be(own: str, others: list[str]) -> None:
        families = [socket.AF_INET6 if ":" in other else socket.AF_INET for other in others]
        answers = [(family, socket.SOCK_DGRAM, 0, "", (other, 443)) for family, other in zip(families, others, strict=True)]
        network = {"getaddrinfo": lambda *_given, **_named: answers, "socket": Probe}
        monkeypatch.setattr(own_address, "socket", SimpleNamespace(**vars(socket) | network))  # of this module alone
        monkeypatch.setattr(Probe, "own", {socket.AF_INET: own, socket.AF_INET6: "2001:db8::7"}, raising=False)
        monkeypatch.setattr(own_address, "on_the_internet", lambda: f"{ROUTER}/32")

    return be


@pytest.mark.parametrize("own", [AT_HOME, "100.64.0.9"])
def test_behind_a_router_a_cloud_in_the_world_sees_the_routers_address(network: Network, own: str) -> None:
    network(own, [WORLD])

    assert own_address.beside("cloud.example", 443) == f"{ROUTER}/32"


def test_within_the_network_of_a_cloud_it_sees_this_machines_own(network: Network) -> None:
    network(IN_THE_CLOUD, ["10.0.0.2"])

    assert own_address.beside("cloud.example", 443) == f"{IN_THE_CLOUD}/32"


def test_a_machine_of_the_world_is_seen_as_it_is(network: Network) -> None:
    network("9.9.9.9", [WORLD])

    assert own_address.beside("cloud.example", 443) == "9.9.9.9/32"


def test_on_the_way_to_private_addresses_no_router_changes_anything(network: Network) -> None:
    network(AT_HOME, [WORLD])

    assert own_address.towards("cloud.example", 443) == f"{AT_HOME}/32"


def test_addresses_of_version_4_are_preferred(network: Network) -> None:
    network("9.9.9.9", ["2001:4860:4860::8888", WORLD])

    assert own_address.beside("cloud.example", 443) == "9.9.9.9/32"
