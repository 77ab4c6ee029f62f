"""Ports that servers of the tests get: nobody else has them, or is given them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.servers import ports
from tests.servers.ports import free_port, free_ports


def test_a_port_is_given_once() -> None:
    given = free_ports(300)
    assert len(set(given)) == 300
    assert free_port() not in given


def test_no_port_is_one_that_the_kernel_gives_to_clients() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(300)) < first


def test_a_port_that_somebody_has_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, other = free_ports(2)
    monkeypatch.setattr(ports, "_next", iter([taken, other]))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_port() == other
