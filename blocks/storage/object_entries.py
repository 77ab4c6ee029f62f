"""How files, folders and links are kept as objects, whose keys are their paths.

As s3fs-fuse keeps them (https://github.com/s3fs-fuse/s3fs-fuse): permissions and kind are in the metadata ``mode``, a decimal
number, and the time in ``mtime``; a link is an object with its target as content; a folder needs no object, but has one whose
key ends with ``/`` where it is empty, or has permissions or a time of its own.
"""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from blocks.errors import CommandFailed, Unstorable
from blocks.host_file import StoredFile
from blocks.storage.object_refusals import damaged
from blocks.storage.object_store import LONGEST_KEY, Digest, Fetched, Listed, ObjectStore
from blocks.storage.team import Team
from blocks.tree import Entry

PIECE = 8 * 1024 * 1024  # bytes of a large file that are asked for, or sent, by one request
_PIECES = 2  # that are on their way at the same time
PLAIN_FOLDER = 0o755  # permissions of one that has no object
_FILE = 0o644
_KINDS = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "link": stat.S_IFLNK}


def admit_key(key: str) -> None:
    """Let a key pass that stores can hold.

    Raises:
        Unstorable: they can't.
    """
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise Unstorable(f"{key!r} is not UTF-8, and an object store holds no such name; please choose another one.") from error
    if length > LONGEST_KEY:
        raise Unstorable(f"{key} is longer than the {LONGEST_KEY} bytes that an object store holds; please choose a shorter one.")


def permissions(entry: Entry) -> int:
    """Those that are kept."""
    return entry.mode & 0o777 | (0o700 if entry.kind == "folder" else 0)


def metadata(entry: Entry) -> dict[str, str]:
    """What is kept of an entry beside its content."""
    kept = {"mode": str(_KINDS[entry.kind] | permissions(entry))}
    return kept | {"mtime": f"{entry.modified:.9f}".rstrip("0").rstrip(".")} if entry.modified else kept


def is_link(kept: Mapping[str, str]) -> bool:
    """Whether an object with this metadata is a symbolic link."""
    return stat.S_ISLNK(_mode(kept))


def entry_of(path: str, found: Fetched, content: bytes | RemoteObject) -> Entry:
    """What an object is."""
    mode, modified = _mode(found.metadata), found.modified
    with suppress(ValueError):  # somebody else's
        modified = float(found.metadata.get("mtime", modified))
    if path.endswith("/"):
        return Entry(path.removesuffix("/"), "folder", stat.S_IMODE(mode) or PLAIN_FOLDER, modified)
    if stat.S_ISLNK(mode) and isinstance(content, bytes):
        return Entry(path, "link", 0o777, modified, target=content.decode("utf-8", "surrogateescape"))
    return Entry(path, "file", stat.S_IMODE(mode) or _FILE, modified, found.size, content)


def _mode(kept: Mapping[str, str]) -> int:
    try:
        return int(kept.get("mode", "0"))
    except ValueError:  # somebody else's
        return 0


def parts(name: str) -> list[str]:
    """What a path is sorted by, so that what is in a folder follows it."""
    return name.removesuffix("/").split("/")


def with_folders(objects: Iterable[tuple[str, Listed]]) -> Iterator[tuple[str, Listed | None]]:
    """The same objects by their sorted paths, with the folders among them that have no object.

    Raises:
        CommandFailed: not every object can be a file.
    """
    above, file = list[str](), list[str]()
    for name, listed in objects:
        if not name:  # the folder itself
            continue
        path = parts(name)
        if not {"", ".", ".."}.isdisjoint(path) or (file and path[: len(file)] == file):
            raise CommandFailed(
                f"{listed.key!r} can't be a file, because of its name or of an object above it; please rename that object."
            )
        folders = path[:-1]
        for end in range(len(folders)):
            if above[: end + 1] != folders[: end + 1]:
                yield "/".join(folders[: end + 1]), None
        above, file = (path, []) if name.endswith("/") else (folders, path)
        yield name, listed


class RemoteObject(StoredFile):
    """The content of a large object, which is fetched piece by piece; no connection is held in between."""

    def __init__(self, store: ObjectStore, key: str, found: Fetched, *, direct: bool) -> None:
        self._store = store
        self._key = key
        self._found = found
        self._direct = direct
        self._pieces = self._fetched()
        self._left = found.size
        self._piece: bytes = b""
        self._used = 0

    def signed(self) -> str | None:
        return self._store.signed(self._key) if self._direct else None

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end.

        Raises:
            Damaged: what came is not what the store has.
        """
        if self._used == len(self._piece):
            self._piece, self._used = next(self._pieces, b""), 0
        part = self._piece[self._used : self._used + size]
        self._used += len(part)
        return part

    def _fetched(self) -> Iterator[bytes]:
        """The pieces, some of which are on their way at the same time."""
        digest = self._store.digest(self._key, self._found)
        coming = deque[Future[bytes]]()
        with Team(_PIECES, _PIECES) as team:
            for offset in range(0, self._found.size, PIECE):
                size = min(PIECE, self._found.size - offset)
                coming.append(team.begin(partial(self._store.fetch_range, self._key, self._found.etag, offset, size)))
                if len(coming) == _PIECES:
                    yield self._counted(coming.popleft().result(), digest)
            while coming:
                yield self._counted(coming.popleft().result(), digest)

    def _counted(self, piece: bytes, digest: Digest | None) -> bytes:
        self._left -= len(piece)
        if digest is not None:
            digest.add(piece)
            if not self._left and not digest.is_right():
                raise damaged(self._key)
        return piece
