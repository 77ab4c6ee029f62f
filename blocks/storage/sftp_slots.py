"""Slots on an SFTP server, which are as on a disk of this machine (see ``slots``)."""

import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial

from blocks.errors import CommandFailed, NotFound, ResourceError
from blocks.storage.resource import INCOMING, STALE
from blocks.storage.sftp_files import listed, raw
from blocks.storage.sftp_folders import make_folders, remove_tree, rename
from blocks.storage.sftp_sessions import SFTPSessions
from blocks.storage.slots import OLD


@contextmanager
def slot(sessions: SFTPSessions, parent: str) -> Generator[str]:
    """A new slot of the folder ``parent``; gone afterwards, if the server can be told."""
    incoming = f"{parent}/{INCOMING}"
    made = _make(sessions, incoming)
    try:
        _clear_stale(sessions, parent, made)
        yield made
    finally:
        with suppress(ResourceError):  # nothing of what has appeared is wrong for that, and another error is the one to tell
            _clear(sessions, parent, made)
            _remove_if_empty(sessions, incoming)


def recover(sessions: SFTPSessions, folder: str) -> None:
    """Clear all slots of a folder, and of the folders directly in it, in which nobody else writes."""
    with suppress(NotFound):
        with sessions.borrow(folder) as session:
            found = [each.filename for each in listed(session, folder) if stat.S_ISDIR(each.st_mode or 0)]
        with sessions.team() as team:
            for parent in (folder, *(f"{folder}/{name}" for name in found)):
                team.begin(partial(_recover, sessions, parent))
            team.finish()


def _recover(sessions: SFTPSessions, parent: str) -> None:
    incoming = f"{parent}/{INCOMING}"
    with suppress(NotFound):
        with sessions.borrow(incoming) as session:
            left = listed(session, incoming)
        for each in left:
            _clear(sessions, parent, f"{incoming}/{each.filename}")
        _remove_if_empty(sessions, incoming)


def _make(sessions: SFTPSessions, incoming: str) -> str:
    made = f"{incoming}/{secrets.token_hex(8)}"
    while True:
        make_folders(sessions, incoming)
        try:
            with sessions.borrow(made) as session:
                session.mkdir(raw(made), 0o700)
                session.mkdir(raw(f"{made}/new"))
        except NotFound:  # another one has just finished, and removed the folder
            continue
        return made


def _clear_stale(sessions: SFTPSessions, parent: str, own: str) -> None:
    incoming, _, name = own.rpartition("/")
    with sessions.borrow(incoming) as session:
        times = {found.filename: found.st_mtime or 0 for found in listed(session, incoming)}
    for other, modified in times.items():
        if modified < times[name] - STALE:  # by the server's clock, both
            with suppress(CommandFailed):  # what can't be removed is in nobody's way
                _clear(sessions, parent, f"{incoming}/{other}")


def _clear(sessions: SFTPSessions, parent: str, left: str) -> None:
    """Move back what is missing in its place, and remove the rest."""
    with suppress(NotFound):  # another one clears it too, or has just finished
        with sessions.borrow(left) as session:
            old = [each.filename for each in listed(session, left) if each.filename.startswith(OLD)]
        for name in old:
            place = f"{parent}/{name.removeprefix(OLD)}"
            if not _is_there(sessions, place):
                rename(sessions, f"{left}/{name}", place)
    remove_tree(sessions, left)


def _is_there(sessions: SFTPSessions, path: str) -> bool:
    try:
        with sessions.borrow(path) as session:
            session.lstat(raw(path))
    except NotFound:
        return False
    return True


def _remove_if_empty(sessions: SFTPSessions, incoming: str) -> None:
    with suppress(CommandFailed, NotFound), sessions.borrow(incoming) as session:  # others still use it, or there is none
        session.rmdir(raw(incoming))
