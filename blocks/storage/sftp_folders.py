"""Folders over SFTP: made with those above them, removed with all that is in them, and moved."""

import stat
from contextlib import suppress
from functools import partial

import paramiko

from blocks.errors import CommandFailed, NotFound
from blocks.storage.sftp_files import listed, raw
from blocks.storage.sftp_sessions import SFTPSessions


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


def rename(sessions: SFTPSessions, old: str, new: str) -> None:
    """Move a file or folder, in the place of a file or of an empty folder."""
    with sessions.borrow(new) as session:
        try:
            session.posix_rename(raw(old), raw(new))
        except OSError as error:
            if error.errno is not None or isinstance(error, TimeoutError):
                raise
            session.rename(raw(old), raw(new))  # the server may know only this one, which replaces nothing


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
