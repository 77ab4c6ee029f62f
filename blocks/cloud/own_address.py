"""Where this machine is seen from: the address that a security group has to let in."""

from __future__ import annotations

import ipaddress
import socket

import requests

from blocks.errors import Unreachable

_TELLER = "https://checkip.amazonaws.com"  # Amazon's own, for its customers' security groups
_SECONDS = 10.0

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def towards(host: str, port: int) -> str:
    """This machine's address on the way to a host, as a network of one; nothing is sent.

    Raises:
        Unreachable: there is no way.
    """
    return _alone(_way(host, port)[0])


def beside(host: str, port: int) -> str:
    """This machine's address as machines see it that are near a host, as a network of one.

    Raises:
        Unreachable: there is no way there, or the address could not be found out.
    """
    own, other = _way(host, port)
    if other.is_global and not own.is_global:
        return on_the_internet()  # a router on the way gives its own address for this one
    return _alone(own)


def on_the_internet() -> str:
    """This machine's address as Amazon sees it, as a network of one.

    Raises:
        Unreachable: it could not be asked.
    """
    try:
        answer = requests.get(_TELLER, timeout=_SECONDS)
        answer.raise_for_status()
        return _alone(answer.text.strip())
    except (requests.RequestException, ValueError) as error:
        raise Unreachable(
            f"{_TELLER} did not say which address this machine has; set ssh_from to the network that machines are to let in"
        ) from error


def _way(host: str, port: int) -> tuple[_Address, _Address]:
    """The addresses at both ends; those of version 4 where there are such, for most clouds give their machines no others."""
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, _, _, place = min(places, key=lambda each: each[0] != socket.AF_INET)
        with socket.socket(family, kind) as probe:
            probe.connect(place)
            own = probe.getsockname()[0]
        return ipaddress.ip_address(own), ipaddress.ip_address(str(place[0]))
    except OSError as error:
        raise Unreachable(f"{host} can't be reached ({error.strerror or error}); please check the network") from error


def _alone(address: str | _Address) -> str:
    return str(ipaddress.ip_network(address))
