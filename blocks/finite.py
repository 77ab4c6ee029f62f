"""Values as JSON can have them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, cast


def finite(document: object) -> Any:
    """The same with null for every number that JSON has not: NaN and infinity."""
    match document:
        case float():
            return document if isfinite(document) else None
        case Mapping():
            return {name: finite(each) for name, each in cast(Mapping[str, object], document).items()}
        case list() | tuple():
            return [finite(each) for each in cast(list[object], document)]
        case _:
            return document
