"""The table: what was measured of ours, of a peer, their ratio, and whether that is the ratio to reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

HEADER = f"{'work':<40} {'ours':>12}   {'beside':<36} {'':>12} {'ratio':>6}  to reach"


@dataclass(frozen=True)
class Row:
    """One comparison; smaller is better."""

    work: str
    ours: float
    peer: str
    theirs: float
    target: float | None = None  # the largest ratio that is good enough; None: shown for scale
    unit: str = "s"
    note: str = ""

    def __str__(self) -> str:
        ratio = self.ours / self.theirs
        reached = "" if self.target is None else f"{self.target:g} {'reached' if ratio <= self.target else 'MISSED'}"
        return (
            f"{self.work:<40} {_figure(self.ours)} {self.unit:<2} {self.peer:<36} {_figure(self.theirs)} {self.unit:<2}"
            f" {ratio:6.2f}  {reached:<12} {self.note}"
        ).rstrip()


def _figure(value: float) -> str:
    return f"{value:12,.0f}" if value >= 100 or value == int(value) else f"{value:12.2f}"


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def best(act: Callable[[], object], other: Callable[[], object], times: int = 3, enough: float = 0.0) -> tuple[float, float]:
    """
    The shortest times of two things that are done in turn, so that a busy moment of the machine hits both.

    They are done so many times, or until the ratio of the shortest is good ``enough``.
    """
    ours = theirs = float("inf")
    for _ in range(times):
        ours, theirs = min(ours, seconds(act)), min(theirs, seconds(other))
        if ours <= enough * theirs:
            break
    return ours, theirs
