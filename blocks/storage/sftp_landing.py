"""How a tree is written to an SFTP server: out of sight first, by several sessions at once, then moved into place."""

import secrets
import stat
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial

import paramiko

from blocks.errors import CommandFailed, NotFound, ResourceError
from blocks.storage.resource import INCOMING, STALE, admit
from blocks.storage.sftp_files import PIECE, Piece, finish, listed, raw, send
from blocks.storage.sftp_sessions import SFTPSessions, Team
from blocks.tree import Entry


@contextmanager
def landing(sessions: SFTPSessions, parent: str) -> Generator["SFTPLanding"]:
    """A place to write trees that are to appear in the folder ``parent``; what did not appear is gone afterwards.

    When even that can't be told to the server, because the connection broke, the next day's landing there removes it.
    """
    slot = _make_slot(sessions, parent)
    try:
        with sessions.team() as team:
            yield SFTPLanding(sessions, team, parent, slot)
    except BaseException:
        with suppress(ResourceError):  # the first error is the one to tell
            _leave(sessions, slot)
        raise
    _leave(sessions, slot)


def _leave(sessions: SFTPSessions, slot: str) -> None:
    remove_tree(sessions, slot)
    with suppress(CommandFailed, NotFound):  # others still use the folder, or have removed it
        incoming = slot.rpartition("/")[0]
        with sessions.borrow(incoming) as session:
            session.rmdir(raw(incoming))


def _make_slot(sessions: SFTPSessions, parent: str) -> str:
    incoming = f"{parent}/{INCOMING}"
    slot = f"{incoming}/{secrets.token_hex(8)}"
    while True:
        make_folders(sessions, incoming)
        try:
            with sessions.borrow(slot) as session:
                session.mkdir(raw(slot), 0o700)
                session.mkdir(raw(f"{slot}/new"))
        except NotFound:  # another one has just finished, and removed the folder
            continue
        _remove_stale(sessions, slot)
        return slot


def _remove_stale(sessions: SFTPSessions, slot: str) -> None:
    incoming, _, own = slot.rpartition("/")
    with sessions.borrow(incoming) as session:
        times = {found.filename: found.st_mtime or 0 for found in listed(session, incoming)}
    for name, modified in times.items():
        if modified < times[own] - STALE:  # by the server's clock, both
            remove_tree(sessions, f"{incoming}/{name}")


def make_folders(sessions: SFTPSessions, path: str) -> None:
    """Make a folder and those above it, where they are missing."""
    with suppress(CommandFailed):  # it is there, which is all that SFTP says of it; if not, the next request fails
        try:
            with sessions.borrow(path) as session:
                session.mkdir(raw(path))
        except NotFound:
            above = path.rpartition("/")[0]
            if not above:
                raise
            make_folders(sessions, above)
            with sessions.borrow(path) as session:
                session.mkdir(raw(path))


def remove_tree(sessions: SFTPSessions, path: str) -> None:
    """Remove a file or link, or a folder with all that is in it, the branches at the same time."""
    with suppress(NotFound):
        with sessions.borrow(path) as session:
            if not stat.S_ISDIR(session.lstat(raw(path)).st_mode or 0):
                session.remove(raw(path))
                return
            found = listed(session, path)
        with sessions.team() as team:
            for child in found:
                team.begin(partial(_remove_branch, sessions, f"{path}/{child.filename}", stat.S_ISDIR(child.st_mode or 0)))
            team.finish()
        with sessions.borrow(path) as session:
            session.rmdir(raw(path))


def _remove_branch(sessions: SFTPSessions, path: str, is_folder: bool) -> None:
    with suppress(NotFound), sessions.borrow(path) as session:
        _remove_below(session, path, is_folder)


def _remove_below(session: paramiko.SFTPClient, path: str, is_folder: bool) -> None:
    if not is_folder:
        session.remove(raw(path))
        return
    for child in listed(session, path):
        _remove_below(session, f"{path}/{child.filename}", stat.S_ISDIR(child.st_mode or 0))
    session.rmdir(raw(path))


class SFTPLanding:
    """Trees on their way into one folder.

    What is in a folder waits for the request that makes it, and only folders made here are written into, so that no symbolic
    link of the stream leads outside.
    """

    def __init__(self, sessions: SFTPSessions, team: Team, parent: str, slot: str) -> None:
        self._sessions = sessions
        self._team = team
        self._parent = parent
        self._slot = slot
        self._new = f"{slot}/new"
        self._folders = dict[str, Future[None] | None]({"": None})
        self._folder_entries = list[Entry]()
        self._names = set[str]()

    def add(self, entry: Entry) -> None:
        """Begin to write one entry, making the folders above it; raises what failed before."""
        admit(entry.path)
        self._names.add(entry.path.partition("/")[0])
        above = self._make_folder(entry.path.rpartition("/")[0])
        if entry.kind == "file":
            self._write_file(entry, above)
        elif entry.kind == "link":
            self._team.begin(partial(self._make_link, entry, above))
        else:
            self._make_folder(entry.path)
            self._folder_entries.append(entry)

    def appear(self) -> list[str]:
        """Move everything into place; returns the names, sorted."""
        self._team.finish()
        for entry in reversed(self._folder_entries):
            self._team.begin(partial(self._stamp, entry))
        self._team.finish()
        names = sorted(self._names)
        for name in names:
            self._team.begin(partial(self._place, name))
        self._team.finish()
        return names

    def _make_folder(self, path: str) -> Future[None] | None:
        if path not in self._folders:
            above = self._make_folder(path.rpartition("/")[0])
            self._folders[path] = self._team.begin(partial(self._mkdir, path, above))
        return self._folders[path]

    def _mkdir(self, path: str, above: Future[None] | None) -> None:
        _await(above)
        with self._sessions.borrow(path) as session:
            session.mkdir(raw(f"{self._new}/{path}"))

    def _write_file(self, entry: Entry, before: Future[None] | None) -> None:
        """A small file is one piece of work; the pieces of a large one wait for each other."""
        waiting, offset = bytearray(), 0
        for block in entry.blocks():
            waiting += block
            if len(waiting) >= PIECE:
                piece = Piece(f"{self._new}/{entry.path}", offset, bytes(waiting))
                before = self._team.begin(partial(self._send, entry, piece, before, offset + len(waiting) == entry.size))
                offset += len(waiting)
                waiting.clear()
        if waiting or not offset:
            piece = Piece(f"{self._new}/{entry.path}", offset, bytes(waiting))
            self._team.begin(partial(self._send, entry, piece, before, True))

    def _send(self, entry: Entry, piece: Piece, before: Future[None] | None, is_last: bool) -> None:
        _await(before)
        with self._sessions.borrow(entry.path) as session:
            send(session, piece)
            if is_last:
                finish(session, piece.path, entry)

    def _make_link(self, entry: Entry, above: Future[None] | None) -> None:
        _await(above)
        with self._sessions.borrow(entry.path) as session:
            session.symlink(raw(entry.target), raw(f"{self._new}/{entry.path}"))

    def _stamp(self, entry: Entry) -> None:
        place = raw(f"{self._new}/{entry.path}")
        with self._sessions.borrow(entry.path) as session:
            session.chmod(place, entry.mode & 0o777 | 0o700)
            if entry.modified:
                session.utime(place, (entry.modified, entry.modified))

    def _place(self, name: str) -> None:
        new, place, old = f"{self._new}/{name}", f"{self._parent}/{name}", f"{self._slot}/old-{name}"
        try:
            self._rename(new, place)
        except (CommandFailed, NotFound):  # something is there that has to make room first
            try:
                self._rename(place, old)
            except NotFound as nothing_there:
                raise CommandFailed(
                    f"{place} could not be moved into place; please look whether you may write there."
                ) from nothing_there
            try:
                self._rename(new, place)
            except ResourceError:
                self._rename(old, place)
                raise

    def _rename(self, old: str, new: str) -> None:
        with self._sessions.borrow(new) as session:
            try:
                session.posix_rename(raw(old), raw(new))
            except OSError as error:
                if error.errno is not None or isinstance(error, TimeoutError):
                    raise
                session.rename(raw(old), raw(new))  # the server may know only this one, which replaces nothing


def _await(before: Future[None] | None) -> None:
    if before is not None:
        before.result()
