"""Ports for servers that must be told one before they start, or go away and come back to it.

They are below those that the kernel gives to clients, who would take them while a server is down; and test processes that run
side by side have different ones.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

from tests.servers.loopback import WORKER

FIRST, LAST = 12_000, 32_767
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_OWN = range(FIRST + WORKER, LAST + 1, _WORKERS)
_next = itertools.cycle(random.Random().sample(_OWN, len(_OWN)))  # each once, before any is given again


def free_ports(number: int) -> list[int]:
    """Ports that this process was not given before, and that nobody has at any address."""
    return list(itertools.islice(filter(_is_free, _next), number))


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
