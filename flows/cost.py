"""What the machines of a run cost: how long there were any, by size, and in money where somebody has said what an hour is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypedDict

from flows.ledger import HostRecord, Ledger


class Cost(TypedDict):
    """As it is kept in ``run.json``."""

    machine_seconds: dict[str, float]  # by size, in the provider's words
    price: float | None  # in the user's currency; None where the price of a machine is not known


def of(hosts: Iterable[HostRecord], now: float | None = None) -> Cost | None:
    """What the machines among the hosts have cost until now; None when none was made."""
    now = time.time() if now is None else now
    seconds: dict[str, float] = {}
    price: float | None = 0.0
    for host in hosts:
        if not host.machine:
            continue
        lasted = max(0.0, (host.gone or now) - host.asked)
        size = host.size or "unknown"
        seconds[size] = seconds.get(size, 0.0) + lasted
        price = price + host.price * lasted / 3600 if price is not None and host.price else None
    if not seconds:
        return None
    return {
        "machine_seconds": {size: round(lasted, 1) for size, lasted in seconds.items()},
        "price": None if price is None else round(price, 6),
    }


def of_run(ledger: Ledger, run: str) -> Cost | None:
    """What the machines of a run, or of all runs of a sweep, have cost until now."""
    return of(ledger.machines().get(run, ()))


def spoken(cost: Cost | None) -> str:
    """For people; nothing when there is none."""
    if cost is None:
        return ""
    hours = ", ".join(f"{seconds / 3600:.2f} h of {size}" for size, seconds in cost["machine_seconds"].items())
    return hours if cost["price"] is None else f"{hours}: {cost['price']:.2f}"
