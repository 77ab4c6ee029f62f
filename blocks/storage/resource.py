"""What a storage resource can do: the only face of it that the stages know."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain
from posixpath import relpath

from blocks.errors import CommandFailed, InvalidRequest, NotFound
from blocks.resource import Resource
from blocks.tree import Entry, file, folder

INCOMING = ".chiminey-incoming"  # where trees wait, out of sight, until they are whole; no storage lists it
STALE = 24 * 60 * 60  # seconds after which what waits there was left by somebody who died


def inside(path: str) -> str:
    """A path below a resource's base folder, in its plain form: no empty parts, and "" for the base folder.

    Raises:
        InvalidRequest: it leads out of the base folder.
    """
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise InvalidRequest(
            f"{path!r} can't be used: the path must stay inside the storage, without a leading '/' and without '..'."
        )
    return "/".join(part for part in parts if part not in {"", "."})


def joined(*parts: str) -> str:
    """One path of several; empty ones, which stand for the base folder, are left out."""
    return "/".join(part for part in parts if part)


def named(path: str) -> tuple[str, str]:
    """A path in its plain form, as its parent and its name.

    Raises:
        InvalidRequest: it leads out of the base folder, or is the base folder itself.
    """
    parent, _, name = inside(path).rpartition("/")
    if not name:
        raise InvalidRequest(
            "Please name a file or folder below the storage's base folder; the base folder itself stays as it is."
        )
    return parent, name


def refuse_copy_into_itself(source: str, target: str) -> None:
    """Let a copy pass that has an end.

    Raises:
        InvalidRequest: its target is its source, or in it.
    """
    origin = inside(source)
    if f"{inside(target)}/".startswith(f"{origin}/" if origin else ""):
        raise InvalidRequest(f"{source!r} can't be copied into itself; please choose a target outside it.")


def admit(path: str) -> None:
    """Let the path of an entry pass, if it can be written as it stands.

    Raises:
        CommandFailed: it would be written outside its folder.
    """
    if path.startswith("/") or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise CommandFailed(f"The file {path!r} was refused: it would be written outside its folder.")


class StorageResource(Resource, ABC):
    """A folder somewhere that keeps input and results.

    Paths are relative to the base folder, with "/" between parts; "" is the base folder itself. Whatever is written appears
    whole or not at all: it waits in a folder that no method shows, and is moved into place when it is complete, and on the disk
    where that can be known. What a killed process left there is put right by :meth:`recover`, or a day later by the next one that
    writes into the same folder.

    Files keep their permissions (without set-user-id and the like) and times (when they have one: 0 means now); folders also,
    with the owner's own permissions added, without which they could be neither filled nor removed.

    Every method raises Unreachable when the storage does not answer, CommandFailed when it refuses (the disk is full, no
    permission), and InvalidRequest for a path that leads out of the base folder.
    """

    @property
    def takes_from_hosts(self) -> bool:
        """Whether hosts may send it large files themselves: content that is a :class:`~blocks.host_file.HostFile`."""
        return False

    @property
    def is_waited_for(self) -> bool:
        """Whether it does not answer just now, or has no time, and is asked again."""
        return False

    @abstractmethod
    def describe(self, path: str = "") -> str:
        """Where a path is, for people."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether there is a file or folder; a symbolic link that leads nowhere is not there."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """One small file. Raises NotFound."""

    @abstractmethod
    def blocks(self, path: str) -> Iterator[bytes]:
        """One file of any size, a block at a time. Raises NotFound, at the first block."""

    @abstractmethod
    def tree(self, path: str) -> Iterator[Entry]:
        """Everything below a folder, sorted in each folder, read as it is asked for. Raises NotFound, at the first entry."""

    @abstractmethod
    def collect(self, parent: str, tree: Iterable[Entry]) -> list[str]:
        """Write many small trees that arrive in one stream, such as the outputs of tasks.

        Each name at the top of the stream appears as ``parent/<name>`` when the whole stream has been written, and replaces
        what stood there; nothing appears when the stream breaks off. Returns these names, sorted.
        """

    @abstractmethod
    def recover(self, path: str) -> None:
        """Put right what processes that died have left in a folder, and in the folders directly in it.

        What had not arrived goes, and what had made room for it is in its place again. Only who alone writes there may do so.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens if it is not there."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; the next call makes new ones."""

    def write(self, path: str, content: bytes) -> None:
        """Write one small file, in the place of one that is there; parent folders are made."""
        parent, name = named(path)
        self.collect(parent, [file(name, content)])

    def store(self, path: str, tree: Iterable[Entry]) -> None:
        """Write a tree as the folder ``path``, in the place of one that is there; parent folders are made."""
        parent, name = named(path)
        self.collect(parent, chain([folder(name)], (entry.under(name) for entry in tree)))

    def copy(self, source: str, target: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- Pydantic's is obsolete
        """Copy a folder inside the storage, in the place of one that is there; the copy shares nothing with its source.

        Raises:
            NotFound: there is no such folder.
        """
        refuse_copy_into_itself(source, target)
        self.store(target, self.tree(source))

    def alias(self, source: str, target: str) -> None:
        """Let what is in the folder ``source`` be found in ``target`` too, in the place of what is there.

        It takes no second room where that can be helped: here a symbolic link does it, or where there can be none a copy.

        Raises:
            NotFound: there is no such folder.
        """
        if not self.exists(source):
            raise NotFound(f"{self.describe(source)} is not there; please check the path.")
        parent, name = named(target)
        try:
            self.collect(parent, [Entry(name, "link", target=relpath(inside(source), parent or "."))])
        except CommandFailed:
            self.copy(source, target)

    def check(self) -> list[str]:
        """Write a file, read it back and remove it; returns sentences that say what works.

        Raises:
            ResourceError: something does not work, and what to do.
        """
        probe, content = f".chiminey-check-{secrets.token_hex(8)}", secrets.token_bytes(64)
        self.write(probe, content)
        try:
            if self.read(probe) != content:
                raise CommandFailed(f"{self.describe(probe)} was not read back as it was written; please choose another storage.")
        finally:
            self.remove(probe)
        return [f"{self.describe()} can be written and read.", *self._facts()]

    @abstractmethod
    def _facts(self) -> list[str]:
        """More sentences for :meth:`check`: the user, the free space."""

    @abstractmethod
    def list(self, path: str) -> list[str]:
        """The names directly below a folder, sorted. Raises NotFound."""
