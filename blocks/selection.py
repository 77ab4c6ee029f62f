"""Which files of an output folder are kept, by patterns; the others stay behind on the host."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Selection:
    """Files that one of ``include`` names, or all where that is empty, without those that one of ``exclude`` names.

    A pattern without "/" is a name, wherever it is; one with "/" is a path from the output folder on. ``*``, ``?`` and
    ``[...]`` stand for characters of one part of a path. A pattern that names a folder names all that is in it.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    always: tuple[str, ...] = ()  # paths that are kept whatever the patterns say

    def problems(self) -> list[str]:
        """Why patterns can't be used, in the words of whoever wrote them."""
        named = {"include": self.include, "exclude": self.exclude}
        return [problem for key, patterns in named.items() for each in patterns for problem in _problems(key, each)]

    def keeps(self, path: str) -> bool:
        """Whether a file, link or folder of this path is kept; folders above files that are kept come with them."""
        if path in self.always:
            return True
        if any(_covers(pattern, path) for pattern in self.exclude):
            return False
        return not self.include or any(_covers(pattern, path) for pattern in self.include)


def _problems(key: str, pattern: str) -> list[str]:
    if not pattern.strip("/"):
        return [f"{key}: {pattern!r} names no file; a pattern is for instance *.tmp or scratch/*.dat"]
    if "\\" in pattern or not pattern.isprintable():
        return [f"{key}: {pattern!r} can't be used; a pattern has no backslash and no control character"]
    parts = pattern.strip("/").split("/")
    if "**" in parts:
        return [
            f"{key}: {pattern!r} can't be used; without / a pattern is looked for everywhere, and a folder stands for all in it"
        ]
    if not {"", ".", ".."}.isdisjoint(parts):
        return [
            f"{key}: {pattern!r} can't be used; a path starts in the output folder and stays there, without '..' and empty parts"
        ]
    return []


def _covers(pattern: str, path: str) -> bool:
    """Whether a pattern names a path, or a folder above it."""
    parts = path.split("/")
    if "/" not in pattern.rstrip("/"):
        return any(fnmatchcase(part, pattern.rstrip("/")) for part in parts)
    wanted = pattern.strip("/").split("/")
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))
