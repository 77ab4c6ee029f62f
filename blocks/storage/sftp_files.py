"""Single files and links over SFTP: names as bytes, many requests on the way at once, and a look at what has arrived."""

import stat
from dataclasses import dataclass
from typing import Literal

import paramiko

from blocks.errors import CommandFailed
from blocks.storage.sftp_sessions import SFTPSessions
from blocks.tree import Entry

PIECE = 4 * 1024 * 1024  # bytes of a file that are asked for, or sent, in one go
_OPENSSH_REQUEST = 255_000  # bytes that OpenSSH takes in one request; the standard asks for no more than 32 KB of others


def raw(path: str) -> bytes:
    """A path as the server has it, whatever its bytes are."""
    return path.encode("utf-8", "surrogateescape")


def listed(session: paramiko.SFTPClient, path: str) -> list[paramiko.SFTPAttributes]:
    """What is in a folder, by name.

    Raises:
        CommandFailed: a name is not UTF-8, and paramiko reads no other.
    """
    try:
        found = session.listdir_attr(raw(path))  # pyright: ignore[reportArgumentType] -- it takes bytes
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path} holds a file whose name is not UTF-8; please rename it to list the folder.") from error
    return sorted(found, key=lambda status: status.filename)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a file that is written."""

    path: str
    offset: int
    content: bytes


def send(session: paramiko.SFTPClient, piece: Piece) -> None:
    """Write a piece; the first one makes the file, which must not be there."""
    with _open(session, piece.path, "r+" if piece.offset else "wx") as target:
        target.seek(piece.offset)
        request = target.MAX_REQUEST_SIZE
        # Answers to requests on the way are not looked at by paramiko before the next one that waits: so the last one waits.
        for start in range(0, len(piece.content), request):
            target.set_pipelined(start + request < len(piece.content))
            target.write(piece.content[start : start + request])


def finish(session: paramiko.SFTPClient, path: str, entry: Entry) -> None:
    """Give a written file its permissions and time, and see that all of it is there.

    Raises:
        CommandFailed: the server has fewer bytes, or more.
    """
    place = raw(path)
    if entry.modified:
        session.utime(place, (entry.modified, entry.modified))
    status = session.stat(place)
    if status.st_size != entry.size:
        raise CommandFailed(
            f"{entry.path} has {status.st_size} bytes after it was sent, not {entry.size}; please look whether the disk is full."
        )
    if status.st_mode is None or status.st_mode & 0o7777 != entry.mode & 0o777:
        session.chmod(place, entry.mode & 0o777)


def receive(session: paramiko.SFTPClient, path: str, offset: int, size: int) -> bytes:
    """At most ``size`` bytes of a file, fewer only at its end."""
    with _open(session, path, "r") as source:
        request = source.MAX_REQUEST_SIZE
        if size <= request:
            source.seek(offset)
            return source.read(size)
        end = min(offset + size, source.stat().st_size or 0)  # paramiko would wait for ever for what is beyond
        return b"".join(source.readv([(start, min(request, end - start)) for start in range(offset, end, request)]))


def _open(session: paramiko.SFTPClient, path: str, mode: Literal["r", "r+", "wx"]) -> paramiko.SFTPFile:
    opened = session.open(raw(path), mode)
    channel = session.get_channel()
    if channel is not None and "OpenSSH" in channel.get_transport().remote_version:
        opened.MAX_REQUEST_SIZE = _OPENSSH_REQUEST
    return opened


class RemoteFile:
    """A large file that is read piece by piece; no session is held in between."""

    def __init__(self, sessions: SFTPSessions, path: str, size: int) -> None:
        self._sessions = sessions
        self._path = path
        self._left = size
        self._offset = 0
        self._piece = b""
        self._used = 0

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        if self._used == len(self._piece) and self._left:
            self._fetch()
        part = self._piece[self._used : self._used + size]
        self._used += len(part)
        return part

    def _fetch(self) -> None:
        with self._sessions.borrow(self._path) as session:
            self._piece = receive(session, self._path, self._offset, min(PIECE, self._left))
        self._used = 0
        self._offset += len(self._piece)
        self._left = self._left - len(self._piece) if self._piece else 0


def entry_of(session: paramiko.SFTPClient, path: str, name: str, status: paramiko.SFTPAttributes) -> Entry | None:
    """What was found in a folder, without content; None for devices and the like."""
    kind = status.st_mode or 0
    mode, modified, size = stat.S_IMODE(kind), float(status.st_mtime or 0), status.st_size or 0
    if stat.S_ISLNK(kind):
        target = session.readlink(raw(path))
        text = target.decode("utf-8", "surrogateescape") if isinstance(target, bytes) else target or ""
        return Entry(name, "link", mode, modified, target=text)
    if stat.S_ISDIR(kind):
        return Entry(name, "folder", mode, modified)
    return Entry(name, "file", mode, modified, size) if stat.S_ISREG(kind) else None
