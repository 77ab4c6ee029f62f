"""Hosts by the dozen: a folder of SSH servers that share one client key."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Unpack

from tests.servers.slow_link import slow_link
from tests.servers.sshd import SSHD, Network, Options, make_key


class Farm:
    """Starts hosts, and stops all of them on ``stop``."""

    def __init__(self, folder: Path, first: int = 1) -> None:
        """``first`` is the number of the first host, which no other farm of the same test should have."""
        self.folder = folder
        self.private_key = folder / "id_ed25519"
        self._numbers = count(first)
        self._running = ExitStack()
        make_key(self.private_key)

    def __call__(self, number: int, **options: Unpack[Options]) -> list[SSHD]:
        """Start so many hosts, all with the same options."""
        return [self._start(None, options) for _ in range(number)]

    def slow(self, round_trip: float, **options: Unpack[Options]) -> SSHD:
        """Start a host that takes ``round_trip`` seconds to answer anything."""
        return self._start(self._running.enter_context(slow_link(round_trip)), options)

    def stop(self) -> None:
        """Stop every host and link."""
        self._running.close()

    def _start(self, network: Network | None, options: Options) -> SSHD:
        number = next(self._numbers)
        host = SSHD(self.folder / f"n{number}", number, self.private_key, network, **options)
        self._running.callback(host.stop)
        host.start()
        return host
