"""How a tree is written to an SFTP server: out of sight first, by several sessions at once, then moved into place."""

from collections.abc import Generator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial

from blocks.errors import CommandFailed, NotFound, ResourceError, Unstorable
from blocks.storage.resource import admit
from blocks.storage.sftp_archive import Archive, archive
from blocks.storage.sftp_files import PIECE, Piece, finish, mark, raw, send
from blocks.storage.sftp_folders import rename
from blocks.storage.sftp_sessions import SFTPSessions
from blocks.storage.sftp_slots import slot
from blocks.storage.slots import OLD
from blocks.storage.team import Team
from blocks.tree import Entry

MANY = 32  # entries, from which on a stream is worth the questions that it costs


@contextmanager
def landing(sessions: SFTPSessions, parent: str) -> Generator["SFTPLanding"]:
    """A place to write trees that are to appear in the folder ``parent``; what did not appear is gone afterwards.

    When even that can't be told to the server, because the connection broke, it is as if this process had died.
    """
    with slot(sessions, parent) as own, sessions.team() as team, ExitStack() as streams:
        yield SFTPLanding(sessions, team, streams, parent, own)


class SFTPLanding:
    """Trees on their way into one folder.

    What is in a folder waits for the request that makes it, and only folders made here are written into, so that no symbolic
    link of the stream leads outside.
    """

    def __init__(self, sessions: SFTPSessions, team: Team, streams: ExitStack, parent: str, slot: str) -> None:
        self._sessions = sessions
        self._team = team
        self._streams = streams
        self._parent = parent
        self._slot = slot
        self._new = f"{slot}/new"
        self._folders = dict[str, Future[None] | None]({"": None})
        self._folder_entries = list[Entry]()
        self._names = set[str]()
        self._others = set[str]()  # paths of files and links
        self._added = 0
        self._archive: Archive | None = None

    def add(self, entry: Entry) -> None:
        """Begin to write one entry, making the folders above it; raises what failed before."""
        admit(entry.path)
        self._names.add(entry.path.partition("/")[0])
        self._added += 1
        if self._added == MANY:
            self._team.finish()
            self._archive = self._streams.enter_context(archive(self._sessions, self._new))
        if entry.kind != "folder":
            self._others.add(entry.path)
        if self._archive is not None:
            self._add_to(self._archive, entry)
            return
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
        if self._archive is not None:
            self._archive.finish()
        self._team.finish()
        for entry in reversed(self._folder_entries):
            self._team.begin(partial(self._stamp, entry))
        self._team.finish()
        names = sorted(self._names)
        for name in names:
            self._team.begin(partial(self._place, name))
        self._team.finish()
        return names

    def _add_to(self, stream: Archive, entry: Entry) -> None:
        self._know_folder(entry.path if entry.kind == "folder" else entry.path.rpartition("/")[0])
        if entry.kind != "folder" and entry.path in self._folders:
            raise Unstorable(f"{entry.path!r} came both as a folder and as something else; please remove one of them.")
        stream.add(entry)

    def _know_folder(self, path: str) -> None:
        """Of what is made by the stream; nothing else may have the path of one, for a link would lead elsewhere."""
        if path in self._folders:
            return
        if path in self._others:
            raise Unstorable(f"{path!r} came both as a folder and as something else; please remove one of them.")
        self._know_folder(path.rpartition("/")[0])
        self._folders[path] = None

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
        offset = 0
        for content in entry.pieces(PIECE) if entry.size else [b""]:
            piece = Piece(f"{self._new}/{entry.path}", offset, content)
            offset += len(content)
            before = self._team.begin(partial(self._send, entry, piece, before, offset == entry.size))

    def _send(self, entry: Entry, piece: Piece, before: Future[None] | None, is_last: bool) -> None:
        _await(before)
        with self._sessions.borrow(entry.path) as session:
            send(session, piece)
            if is_last:
                finish(self._sessions, session, piece.path, entry)

    def _make_link(self, entry: Entry, above: Future[None] | None) -> None:
        _await(above)
        with self._sessions.borrow(entry.path) as session:
            session.symlink(raw(entry.target), raw(f"{self._new}/{entry.path}"))

    def _stamp(self, entry: Entry) -> None:
        with self._sessions.borrow(entry.path) as session:
            mark(self._sessions, session, f"{self._new}/{entry.path}", entry.mode & 0o777 | 0o700, entry.modified)

    def _place(self, name: str) -> None:
        new, place, old = f"{self._new}/{name}", f"{self._parent}/{name}", f"{self._slot}/{OLD}{name}"
        try:
            rename(self._sessions, new, place)
        except (CommandFailed, NotFound):  # something is there that has to make room first
            try:
                rename(self._sessions, place, old)
            except NotFound as nothing_there:
                raise CommandFailed(
                    f"{place} could not be moved into place; please look whether you may write there."
                ) from nothing_there
            try:
                rename(self._sessions, new, place)
            except ResourceError:
                rename(self._sessions, old, place)
                raise


def _await(before: Future[None] | None) -> None:
    if before is not None:
        before.result()
