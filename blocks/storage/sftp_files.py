"""Single files and links over SFTP: names as bytes, many requests on the way at once, and a look at what has arrived."""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import paramiko

from blocks.errors import CommandFailed
from blocks.storage.sftp_sessions import SFTPSessions, is_closed
from blocks.tree import Entry

PIECE = 4 * 1024 * 1024  # bytes of a file that are asked for, or sent, in one go
_OPENSSH = re.compile(r"OpenSSH\D*(\d+)\.(\d+)")  # in what a server says of its version
_OPENSSH_REQUEST = 255_000  # bytes that OpenSSH takes in one request; the standard asks for no more than 32 KB of others
_OLD_OPENSSH_READ = 65_536  # bytes that it gave for one before 8.5; paramiko would ask for each rest by itself


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


def finish(sessions: SFTPSessions, session: paramiko.SFTPClient, path: str, entry: Entry) -> None:
    """See that all of a written file is there, and give it its permissions and time.

    Raises:
        CommandFailed: the server has fewer bytes, or more.
    """
    status = session.stat(raw(path))
    if status.st_size != entry.size:
        raise CommandFailed(
            f"{entry.path} has {status.st_size} bytes after it was sent, not {entry.size}; please look whether the disk is full."
        )
    mode = entry.mode & 0o777
    has_mode = status.st_mode is not None and status.st_mode & 0o7777 == mode
    mark(sessions, session, path, None if has_mode else mode, entry.modified)


def mark(sessions: SFTPSessions, session: paramiko.SFTPClient, path: str, mode: int | None, modified: float) -> None:
    """Give a file or folder its permissions and time, if it has one. A server that knows neither is asked once."""
    if not sessions.takes_marks:
        return
    try:
        if mode is not None:
            session.chmod(raw(path), mode)
        if modified:
            session.utime(raw(path), (modified, modified))
    except OSError as error:
        if error.errno is not None or isinstance(error, TimeoutError) or is_closed(session):
            raise
        sessions.takes_marks = False


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
    if channel is not None and (openssh := _OPENSSH.search(channel.get_transport().remote_version)):
        is_old = (int(openssh[1]), int(openssh[2])) < (8, 5)
        opened.MAX_REQUEST_SIZE = _OLD_OPENSSH_READ if is_old and mode == "r" else _OPENSSH_REQUEST
    return opened


def pieces(sessions: SFTPSessions, path: str, size: int) -> Iterator[bytes]:
    """The content of a large file piece by piece; no session is held in between. A file that shrank ends early."""
    offset = 0
    while offset < size:
        with sessions.borrow(path) as session:
            piece = receive(session, path, offset, min(PIECE, size - offset))
        if not piece:
            return
        yield piece
        offset += len(piece)


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
