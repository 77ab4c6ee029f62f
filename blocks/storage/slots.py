"""Slots: where trees wait on a disk, out of sight, beside the place where they are to appear.

A slot has ``new/``, which is what arrives, and ``old-NAME``, which is what stood in the place of NAME and had to make room.
Whoever finds the slot of a writer that died moves back what had made room for nothing.
"""
# pathlib would cost more than the system calls themselves:
# ruff: noqa: PTH102, PTH103, PTH104, PTH106, PTH112, PTH116, PTH120, PTH208

import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress

from blocks.storage.resource import INCOMING, STALE

OLD = "old-"  # before the names of what made room


@contextmanager
def slot(parent: str) -> Generator[str]:
    """A new slot of the folder ``parent``; gone afterwards, if it can be removed.

    Raises:
        OSError: the disk refused.
    """
    incoming = f"{parent}/{INCOMING}"
    made = _make(incoming)
    try:
        _clear_stale(parent, made)
        yield made
    finally:
        _clear(parent, made)
        _remove_if_empty(incoming)


def recover(folder: str) -> None:
    """Clear all slots of a folder, and of the folders directly in it, in which nobody else writes.

    Raises:
        OSError: the disk refused.
    """
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for parent in (folder, *(each.path for each in found if each.is_dir(follow_symlinks=False))):
            incoming = f"{parent}/{INCOMING}"
            with suppress(FileNotFoundError):
                for name in os.listdir(incoming):
                    _clear(parent, f"{incoming}/{name}")
            _remove_if_empty(incoming)


def _make(incoming: str) -> str:
    made = f"{incoming}/{secrets.token_hex(8)}"
    while True:
        try:  # another one may just have finished, and remove the folder between any two calls
            os.makedirs(incoming, exist_ok=True)
            os.mkdir(made, 0o700)
        except (FileNotFoundError, FileExistsError):
            if not os.path.isdir(os.path.dirname(incoming)) or (os.path.lexists(incoming) and not os.path.isdir(incoming)):
                raise
        else:
            os.mkdir(f"{made}/new")
            return made


def _clear_stale(parent: str, own: str) -> None:
    now = os.stat(own).st_mtime  # by the clock of the file server, if it is one
    with os.scandir(os.path.dirname(own)) as others:
        for other in others:
            with suppress(FileNotFoundError):  # another one removes it too, or has just finished
                if other.stat(follow_symlinks=False).st_mtime < now - STALE:
                    _clear(parent, other.path)


def _clear(parent: str, left: str) -> None:
    """Move back what is missing in its place, and remove the rest.

    What can't be moved or removed stays for the next one: a file server keeps the files that somebody still has open, and nothing
    of what has appeared is wrong for that.
    """
    with suppress(OSError):
        for name in os.listdir(left):
            place = f"{parent}/{name.removeprefix(OLD)}"
            if name.startswith(OLD) and not os.path.lexists(place):
                os.rename(f"{left}/{name}", place)
        shutil.rmtree(left, ignore_errors=True)


def _remove_if_empty(incoming: str) -> None:
    with suppress(OSError):  # others still use it, or there is none
        os.rmdir(incoming)
