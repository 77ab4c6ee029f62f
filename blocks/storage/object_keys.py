"""Keys with all that is below them, as paths are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Keys:
    """A set of keys; one that is below another of it is in it, too."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = set(keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: str) -> bool:
        if not self._keys:
            return False
        parts = key.rstrip("/").split("/")
        return any("/".join(parts[:end]) in self._keys for end in range(1, len(parts) + 1))

    def overlap(self, keys: Iterable[str]) -> bool:
        """Whether any of these is in it, or has one of it below itself."""
        others = Keys(keys)
        return any(key in self for key in others) or any(key in others for key in self)
