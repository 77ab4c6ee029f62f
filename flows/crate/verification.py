"""Whether the files of a crate are those that it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from posixpath import dirname, normpath

from blocks.errors import CommandFailed, InvalidRequest, NotFound
from blocks.storage.resource import joined
from blocks.tree import Entry
from flows.crate import METADATA
from flows.crate.reading import Crate, is_as, shown


@dataclass
class Verification:
    """What was found."""

    crate: str
    checked: int = 0  # files that are as they were
    missing: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    unreadable: list[str] = field(default_factory=list[str])
    extra: list[str] = field(default_factory=list[str])  # which nothing is wrong with

    @property
    def ok(self) -> bool:
        """Whether every file is there and as it was."""
        return not self.missing and not self.changed and not self.unreadable


def verify(crate: Crate) -> Verification:
    """Read every file of a crate, and of those in it, once; one that can't be read keeps no other from being checked.

    A folder that is another one's second name has the same files, or is a link to it.

    Raises:
        ResourceError: the storage does not answer, or its folders can't be read.
    """
    found = Verification(crate.name)
    expected, aliases = _expected(crate, found)
    second = _second_names(expected, aliases)
    unseen = set(expected).union(*second.values())
    own = {METADATA, *(joined(folder, METADATA) for folder in crate.runs.values())}
    for entry in crate.storage.tree(crate.folder):
        if entry.kind == "link" and entry.path in second:
            unseen -= second.pop(entry.path)
            if normpath(joined(dirname(entry.path), entry.target)) != aliases[entry.path]:
                found.changed.append(entry.path)
        if entry.kind != "file" or entry.path in own:
            continue
        path = _aliased(entry.path, aliases)
        if path not in expected:
            found.extra.append(entry.path)
        else:
            _compare(entry, expected[path], found)
        unseen.discard(entry.path)
    for name, paths in second.items():
        if paths <= unseen:  # said once, and not of each of thousands
            unseen = (unseen - paths) | {f"{name}/"}
    found.missing += sorted(unseen)
    return found


def require(crate: Crate, *folders: str) -> None:
    """See that the files of some of its folders are as they were, before they are used.

    Raises:
        InvalidRequest: they are not.
    """
    for folder in folders:
        if crate.within(folder):
            require_copy(crate, folder, crate.storage.tree(joined(crate.folder, folder)))


def require_copy(crate: Crate, folder: str, copy: Iterable[Entry]) -> None:
    """See that the files of a copy of one of its folders are those of the crate.

    Raises:
        InvalidRequest: they are not.
    """
    expected = crate.within(folder)
    seen: set[str] = set()
    wrong: list[str] = []
    for entry in copy:
        if entry.kind == "file":
            seen.add(entry.path)
            wrong += [entry.path] if entry.path not in expected or not is_as(entry, expected[entry.path]) else []
    wrong += sorted(set(expected) - seen)
    if wrong:
        names = ", ".join(f"{folder}/{shown(path)}" for path in wrong[:5])
        raise InvalidRequest(f"{crate.name} is not as it was: {names}; 'chiminey verify' tells what has changed")


def _expected(crate: Crate, found: Verification) -> tuple[dict[str, tuple[int | None, str]], dict[str, str]]:
    """The files of a crate and of those in it, and their folders that have two names."""
    files, aliases = dict(crate.files), dict(crate.aliases)
    for folder in crate.runs.values():
        try:
            run = crate.run(folder)
        except InvalidRequest:
            found.missing.append(joined(folder, METADATA))
            continue
        files |= {joined(folder, path): known for path, known in run.files.items()}
        aliases |= {joined(folder, name): joined(folder, other) for name, other in run.aliases.items()}
    return files, aliases


def _second_names(expected: Iterable[str], aliases: Mapping[str, str]) -> dict[str, set[str]]:
    """The folders that are a second name of another one, with the paths that the files of that one have below it."""
    names = {other: name for name, other in aliases.items()}
    found: dict[str, set[str]] = {}
    for path in expected:
        parts = path.split("/")
        for depth in (1, 2):
            if len(parts) > depth and (name := names.get("/".join(parts[:depth]))):
                found.setdefault(name, set()).add("/".join([name, *parts[depth:]]))
    return found


def _aliased(path: str, aliases: dict[str, str]) -> str:
    """The path under the first name of its folder, which is at the top of a run's."""
    parts = path.split("/")
    for depth in (1, 2):
        if other := aliases.get("/".join(parts[:depth])):
            return "/".join([other, *parts[depth:]])
    return path


def _compare(entry: Entry, known: tuple[int | None, str], found: Verification) -> None:
    try:
        is_same = is_as(entry, known)
    except (CommandFailed, NotFound):
        found.unreadable.append(entry.path)
        return
    if is_same:
        found.checked += 1
    else:
        found.changed.append(entry.path)
