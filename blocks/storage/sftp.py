"""Storage in a folder of an SFTP server; it needs no shell there."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import ClassVar

from pydantic import Field, PrivateAttr

from blocks.block_reader import BlockReader
from blocks.errors import NotFound
from blocks.storage.resource import INCOMING, StorageResource, inside, named
from blocks.storage.sftp_files import PIECE, entry_of, listed, pieces, raw, receive
from blocks.storage.sftp_folders import remove_tree
from blocks.storage.sftp_landing import landing
from blocks.storage.sftp_sessions import AHEAD, SFTPSessions
from blocks.storage.sftp_slots import recover
from blocks.storage.team import Team
from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess
from blocks.tree import Entry

_SMALL = 256 * 1024  # bytes; smaller files are fetched before they are asked for
_CONNECTING = Lock()  # nothing is connected under it: that happens at the first request


class SFTPStorage(SSHAccess, StorageResource):
    """A folder of a server that offers SFTP. Names there that are not UTF-8 can be written, but not listed.

    A server that takes no permissions and times, as some that stand before a store of objects, keeps files without.
    """

    _block_type_name = "SFTP Storage"
    _block_type_slug = "chiminey-sftp-storage"
    _description = "Keeps input and results in a folder of a server that offers SFTP."

    kind: ClassVar[str] = "sftp"

    host: str = Field(
        default="localhost",
        title="Host",
        description="The server, as host, user@host or user@host:port, or an alias of your SSH configuration.",
    )
    path: str = Field(
        default=".",
        title="Base folder",
        description="The folder on the server that holds everything; a relative one is below the login folder, which is '.'.",
    )

    _sessions: SFTPSessions | None = PrivateAttr(default=None)

    @property
    def is_waited_for(self) -> bool:
        return self._sessions is not None and self._sessions.patience.is_waiting

    def describe(self, path: str = "") -> str:
        user = f"{self.username}@" if self.username and "@" not in self.host else ""
        place = self._place(path)
        return f"sftp://{user}{self.host}{place}" if place.startswith("/") else f"sftp://{user}{self.host}/{_tilde(place)}"

    def exists(self, path: str) -> bool:
        try:
            with self._connected().borrow(self.describe(path)) as session:
                session.stat(raw(self._place(path)))
        except NotFound:
            return False
        return True

    def read(self, path: str) -> bytes:
        place, parts = self._place(path), list[bytes]()
        with self._connected().borrow(self.describe(path)) as session:
            while not parts or len(parts[-1]) == PIECE:
                parts.append(receive(session, place, len(parts) * PIECE, PIECE))
        return b"".join(parts)

    def blocks(self, path: str) -> Iterator[bytes]:
        place = self._place(path)
        with self._connected().borrow(self.describe(path)) as session:
            size = session.stat(raw(place)).st_size or 0
        yield from Entry(path, "file", size=size, content=BlockReader(pieces(self._connected(), place, size))).blocks()

    def tree(self, path: str) -> Iterator[Entry]:
        with self._connected().team() as team:
            ahead = deque[tuple[Entry, Future[bytes] | None]]()
            for entry, place in self._walk(self._place(path), ""):
                ahead.append(self._begin(team, entry, place))
                if len(ahead) == AHEAD:
                    yield _filled(*ahead.popleft())
            while ahead:
                yield _filled(*ahead.popleft())

    def collect(self, parent: str, tree: Iterable[Entry]) -> list[str]:
        with landing(self._connected(), self._place(parent)) as arriving:
            for entry in tree:
                arriving.add(entry)
            return arriving.appear()

    def recover(self, path: str) -> None:
        recover(self._connected(), self._place(path))

    def remove(self, path: str) -> None:
        named(path)
        remove_tree(self._connected(), self._place(path))

    def close(self) -> None:
        if self._sessions is not None:
            self._sessions.close()
        self._sessions = None

    def list(self, path: str) -> list[str]:
        with self._connected().borrow(self.describe(path)) as session:
            names = [status.filename for status in listed(session, self._place(path))]
        return [name for name in names if name != INCOMING]

    def _walk(self, place: str, above: str) -> "Generator[tuple[Entry, str]]":
        with self._connected().borrow(place) as session:
            found = [
                entry_of(session, f"{place}/{status.filename}", above + status.filename, status)
                for status in listed(session, place)
                if status.filename != INCOMING
            ]
        for entry in found:
            if entry is not None:
                child = f"{place}/{entry.path.removeprefix(above)}"
                yield entry, child
                if entry.kind == "folder":
                    yield from self._walk(child, f"{entry.path}/")

    def _begin(self, team: Team, entry: Entry, place: str) -> "tuple[Entry, Future[bytes] | None]":
        if entry.kind != "file":
            return entry, None
        if entry.size > _SMALL:
            return replace(entry, content=BlockReader(pieces(self._connected(), place, entry.size))), None
        return entry, team.begin(partial(self._fetch, place, entry.size))

    def _fetch(self, place: str, size: int) -> bytes:
        if not size:
            return b""
        with self._connected().borrow(place) as session:
            return receive(session, place, 0, size)

    def _connected(self) -> SFTPSessions:
        with _CONNECTING:
            if self._sessions is None:
                self._sessions = SFTPSessions(SSHTransport(self.host, self))
            return self._sessions

    def _place(self, path: str) -> str:
        base = self.path.removeprefix("~").lstrip("/") if self.path.startswith("~") else self.path
        parts = [base.rstrip("/") or ("/" if base else "."), inside(path)]
        return "/".join(part for part in parts if part).replace("//", "/")

    def _facts(self) -> "list[str]":
        with self._connected().borrow(self.describe()) as session:
            folder = session.normalize(raw(self._place("")))
        return [f"The base folder is {folder}."]


def _filled(entry: Entry, content: Future[bytes] | None) -> Entry:
    """The entry with the content that was fetched ahead, as large as that is now."""
    return entry if content is None else replace(entry, content=content.result(), size=len(content.result()))


def _tilde(place: str) -> str:
    return "~" if place == "." else f"~/{place.removeprefix('./')}"
