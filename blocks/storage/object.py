"""Storage in an object store: Amazon's S3 and those that speak its protocol, and OpenStack Swift."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from posixpath import dirname, join, normpath
from threading import Lock
from typing import ClassVar

from pydantic import Field, PrivateAttr

from blocks.errors import NotFound
from blocks.host_file import SMALLEST
from blocks.storage.object_abandoned import Abandoned
from blocks.storage.object_access import ObjectAccess
from blocks.storage.object_entries import RemoteObject, admit_key, entry_of, is_link, parts, with_folders
from blocks.storage.object_journal import AHEAD, Journals, below, delete
from blocks.storage.object_landing import landing
from blocks.storage.object_store import AT_ONCE, Fetched, Listed, ObjectStore
from blocks.storage.resource import INCOMING, StorageResource, inside, joined, named, refuse_copy_into_itself
from blocks.storage.team import Team
from blocks.tree import Entry, folder

_SMALL = 256 * 1024  # bytes; smaller files are fetched before they are asked for
_MOST_LINKS = 8  # that lead to each other
_CONNECTING = Lock()  # nothing is sent under it: that happens at the first request


class ObjectStorage(ObjectAccess, StorageResource):
    """A folder in a bucket of an S3-compatible object store, or in a container of OpenStack Swift.

    The bucket must be there. Names that are not UTF-8 can't be kept. What others upload can be read, and what is written here is
    seen by others as files below the same names; permissions, times and links are kept as s3fs-fuse keeps them.
    """

    _block_type_name = "Object Storage"
    _block_type_slug = "chiminey-object-storage"
    _description = "Keeps input and results in a bucket of S3, or of a store that speaks its protocol, or in OpenStack Swift."

    kind: ClassVar[str] = "object"

    bucket: str = Field(default="", title="Bucket", description="The bucket, or Swift's container; it must be there.")
    path: str = Field(default="", title="Base folder", description="The folder in the bucket that holds everything.")

    _store: ObjectStore | None = PrivateAttr(default=None)
    _abandoned: Abandoned | None = PrivateAttr(default=None)

    @property
    def takes_from_hosts(self) -> bool:
        return self.direct

    @property
    def is_waited_for(self) -> bool:
        return self._store is not None and self._store.patience.is_waiting

    def describe(self, path: str = "") -> str:
        place = f"{self.endpoint.rstrip('/')}/" if self.endpoint else f"{self.protocol}://"
        return place + joined(self.bucket, self._key(path))

    def exists(self, path: str) -> bool:
        key, store = self._key(path), self._connected()
        if not inside(path):
            next(store.listed(self._prefix("")), None)  # which fails where there is no bucket
            return True
        hidden = self._journals().hidden()
        for _ in range(_MOST_LINKS):
            if key in hidden or self._is_outside(key):
                return False
            try:
                found = store.look(key)
            except NotFound:
                return next(store.listed(f"{key}/"), None) is not None
            if not is_link(found.metadata):
                return True
            key = _target(key, store.fetch(key))
        return False

    def read(self, path: str) -> bytes:
        key, hidden = self._key(path), self._journals().hidden()
        for _ in range(_MOST_LINKS):
            if key in hidden or self._is_outside(key):
                break
            found = self._connected().fetch(key)
            if not is_link(found.metadata):
                return found.content
            key = _target(key, found)
        raise NotFound(f"{self.describe(path)} is not there; please check the path.")

    def blocks(self, path: str) -> Iterator[bytes]:
        key, hidden, store = self._key(path), self._journals().hidden(), self._connected()
        for _ in range(_MOST_LINKS):
            if key in hidden or self._is_outside(key):
                break
            found = store.look(key)
            if not is_link(found.metadata):
                yield from entry_of(path, found, RemoteObject(store, key, found, direct=False)).blocks()
                return
            key = _target(key, store.fetch(key))
        raise NotFound(f"{self.describe(path)} is not there; please check the path.")

    def tree(self, path: str) -> Iterator[Entry]:
        with Team(AT_ONCE, AHEAD) as team:
            ahead = deque[Entry | Future[Entry]]()
            for name, listed in with_folders(self._below(path)):
                ahead.append(folder(name) if listed is None else team.begin(partial(self._entry, name, listed)))
                if len(ahead) == AHEAD:
                    yield _arrived(ahead.popleft())
            while ahead:
                yield _arrived(ahead.popleft())

    def list(self, path: str) -> "list[str]":
        prefix, hidden = self._prefix(path), self._journals().hidden()
        found = [each.key for each in self._connected().names(prefix)]
        if not found and inside(path):
            raise NotFound(f"{self.describe(path)} is not there; please check the path.")
        names = {key.removeprefix(prefix).rstrip("/") for key in found if key not in hidden}
        return sorted(names - {"", INCOMING})

    def collect(self, parent: str, tree: Iterable[Entry]) -> "list[str]":
        with landing(self._connected(), self._journals(), self._key(parent)) as arriving:
            for entry in tree:
                arriving.add(entry)
            return arriving.appear()

    def copy(self, source: str, target: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- Pydantic's is obsolete
        """The store copies; nothing passes through this machine."""
        refuse_copy_into_itself(source, target)
        parent, name = named(target)
        found = self._below(source)
        with landing(self._connected(), self._journals(), self._key(parent)) as arriving:
            arriving.add(folder(name))
            for path, listed in found:
                arriving.copy(listed, f"{name}/{path}")
            arriving.appear()

    def alias(self, source: str, target: str) -> None:
        """A copy: who reads a bucket with other tools would not find what is behind a link."""
        self.copy(source, target)

    def recover(self, path: str) -> None:
        """The same, and at any depth: each journal says what it is about."""
        self._journals().look()
        self._journals().take_back([self._key(path)])

    def remove(self, path: str) -> None:
        named(path)
        key = self._key(path)
        self._journals().take_back([key])
        delete(self._connected(), [*below(self._connected(), key)])

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = self._abandoned = None

    def _below(self, path: str) -> "list[tuple[str, Listed]]":
        """The objects below a folder, by their paths in it, sorted as files are."""
        prefix, hidden = self._prefix(path), self._journals().hidden()
        everything = [each for each in self._connected().listed(prefix) if each.key not in hidden]
        if not everything and inside(path):
            raise NotFound(f"{self.describe(path)} is not there; please check the path.")
        named_objects = ((each.key.removeprefix(prefix), each) for each in everything)
        return sorted(
            ((name, each) for name, each in named_objects if INCOMING not in name.split("/")), key=lambda pair: parts(pair[0])
        )

    def _entry(self, name: str, listed: Listed) -> Entry:
        store = self._connected()
        if not 0 < listed.size <= _SMALL:  # listings of Swift tell that some large objects are empty
            found = store.look(listed.key)
            if not found.size:
                return entry_of(name, found, b"")
            return entry_of(name, found, RemoteObject(store, listed.key, found, direct=self.direct and found.size >= SMALLEST))
        found = store.fetch(listed.key)
        return entry_of(name, found, found.content)

    def _is_outside(self, key: str) -> bool:
        return key.startswith(("/", "..")) or not f"{key}/".startswith(self._prefix(""))

    def _connected(self) -> ObjectStore:
        with _CONNECTING:
            if self._store is None:
                self._store = self.object_store(self.bucket)
            return self._store

    def _journals(self) -> Journals:
        store = self._connected()
        with _CONNECTING:
            if self._abandoned is None:
                self._abandoned = Abandoned(store, self._prefix(""))
            return Journals(store, self._base(), self._abandoned)

    def _base(self) -> str:
        return inside(self.path.lstrip("/"))

    def _key(self, path: str) -> str:
        key = joined(self._base(), inside(path))
        admit_key(key)
        return key

    def _prefix(self, path: str) -> str:
        key = self._key(path)
        return f"{key}/" if key else ""

    def _facts(self) -> "list[str]":
        return ["The connection is not encrypted: its endpoint is http."] if self.endpoint.startswith("http://") else []


def _arrived(entry: Entry | Future[Entry]) -> Entry:
    return entry if isinstance(entry, Entry) else entry.result()


def _target(key: str, link: Fetched) -> str:
    """The key that a link leads to."""
    return normpath(join(dirname(key), link.content.decode("utf-8", "surrogateescape")))
