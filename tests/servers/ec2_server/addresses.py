"""The addresses that a cloud has to give, on the loopback device."""

from __future__ import annotations

import ipaddress


class Pool:
    """Gives the lowest address that is free, so that a new machine soon has that of one which is gone, as in real clouds."""

    def __init__(self, network: str) -> None:
        """``network`` is written as 127.70.0.0/24."""
        self._free = [str(address) for address in ipaddress.ip_network(network).hosts()]

    def __len__(self) -> int:
        return len(self._free)

    def take(self) -> str:
        """Raises IndexError when there is none left."""
        return self._free.pop(0)

    def give_back(self, address: str) -> None:
        self._free.append(address)
        self._free.sort(key=ipaddress.ip_address)
