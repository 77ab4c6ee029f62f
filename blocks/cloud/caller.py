"""Where this machine is seen from: the address that a security group has to let in."""

from __future__ import annotations

import ipaddress
import socket

import requests

from blocks.errors import Unreachable

_TELLER = "https://checkip.amazonaws.com"  # Amazon's own, for its customers' security groups
_SECONDS = 10.0


def towards(host: str, port: int) -> str:
    """This machine's address on the way to a host, as a network of one; nothing is sent.

    Raises:
        Unreachable: there is no way.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(place)
            return _alone(probe.getsockname()[0])
    except OSError as error:
        raise Unreachable(f"{host} can't be reached ({error.strerror or error}); please check the network") from error


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


def _alone(address: str) -> str:
    return str(ipaddress.ip_network(address))
