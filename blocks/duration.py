"""Durations as people write them."""

from __future__ import annotations

import re

_NUMBER = r"(\d+(?:\.\d+)?)"
_PARTS = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")
_SECONDS = (86400, 3600, 60, 1)


def seconds_of(text: str) -> float | None:
    """Seconds of ``90s``, ``10m``, ``1h30m`` or ``2d``; None when it is not written like that."""
    parts = _PARTS.fullmatch(text.strip().lower())
    if parts is None or not text.strip():
        return None
    return sum(float(number or 0) * seconds for number, seconds in zip(parts.groups(), _SECONDS, strict=True))
