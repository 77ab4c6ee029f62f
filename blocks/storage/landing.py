"""How a tree is written to a disk of this machine: out of sight first, then moved into place.

Thousands of small files pass here, so each costs the system calls that it needs and little else: paths are plain strings,
and a folder is made once and remembered. That memory is also the guard against a stream that names a symbolic link and then
writes through it: only folders made here are written into.
"""
# pathlib would cost more than the system calls themselves:
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH208, PTH211

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from blocks.errors import CommandFailed, Unstorable
from blocks.storage.resource import admit
from blocks.storage.slots import OLD, slot
from blocks.tree import Entry, unreadable

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST = 1 << 30  # bytes that are copied by one system call


@contextmanager
def landing(parent: str) -> Generator["Landing"]:
    """A place to write trees that are to appear in the folder ``parent``; what did not appear is gone afterwards.

    Raises:
        OSError: the disk refused.
    """
    with slot(parent) as own:
        yield Landing(parent, own)


class Landing:
    """Trees on their way into one folder."""

    def __init__(self, parent: str, slot: str) -> None:
        self._parent = parent
        self._slot = slot
        self._new = f"{slot}/new/"
        self._folders = {""}
        self._stamps = list[tuple[str, int, float]]()

    def add(self, entry: Entry) -> None:
        """Write one entry, making the folders above it.

        Raises:
            CommandFailed: it would be written outside its folder; its content ended early, or can't be read.
            Unstorable: something of another kind was there before.
            OSError: the disk refused.
        """
        above, _, name = entry.path.rpartition("/")
        if not above or name in {"", ".", ".."}:
            admit(entry.path)
        if above not in self._folders:
            self._make_folder(above)
        if entry.kind == "file":
            self._write_file(entry)
        elif entry.kind == "link":
            self._make_link(entry)
        else:
            self._make_folder(entry.path)
            self._stamps.append((self._new + entry.path, entry.mode, entry.modified))

    def share(self, entry: Entry) -> None:
        """The same for an entry of this disk: its file gets a second name, where the disk allows it, and is not written again."""
        if isinstance(entry.content, Path):
            self._make_folder(entry.path.rpartition("/")[0])
            with suppress(OSError):  # it has too many names, or is on another file system
                os.link(entry.content, self._new + entry.path)
                return
        self.add(entry)

    def appear(self) -> list[str]:
        """Move everything into place; returns the names, sorted."""
        for path, mode, modified in reversed(self._stamps):
            os.chmod(path, mode & 0o777 | 0o700)
            if modified:
                os.utime(path, (modified, modified))
        names = sorted(os.listdir(self._new))
        for name in names:
            self._place(name)
        _sync_names(self._parent)
        return names

    def _make_folder(self, path: str) -> None:
        if path in self._folders:
            return
        admit(path)
        above = path.rpartition("/")[0]
        if above:
            self._make_folder(above)
        try:
            os.mkdir(self._new + path)
        except FileExistsError as error:
            raise Unstorable(f"{path!r} came both as a folder and as something else; please remove one of them.") from error
        self._folders.add(path)

    def _write_file(self, entry: Entry) -> None:
        path = self._new + entry.path
        try:
            target = os.open(path, _NEW_FILE, 0o600)
        except FileExistsError:  # named twice: the last one counts, as in tar
            os.unlink(path)
            target = os.open(path, _NEW_FILE, 0o600)
        try:
            _fill(target, entry)
            os.fchmod(target, entry.mode & 0o777)
            if entry.modified:
                os.utime(target, (entry.modified, entry.modified))
        finally:
            os.close(target)

    def _make_link(self, entry: Entry) -> None:
        path = self._new + entry.path
        try:
            os.symlink(entry.target, path)
        except FileExistsError:
            os.unlink(path)
            os.symlink(entry.target, path)
        if entry.modified:
            os.utime(path, (entry.modified, entry.modified), follow_symlinks=False)

    def _place(self, name: str) -> None:
        new, place, old = f"{self._new}{name}", f"{self._parent}/{name}", f"{self._slot}/{OLD}{name}"
        try:
            os.rename(new, place)
        except OSError:  # a folder with something in it, or of another kind: it has to make room first
            if not os.path.lexists(place):
                raise
            os.rename(place, old)
            try:
                os.rename(new, place)
            except OSError:
                os.rename(old, place)
                raise


def _fill(target: int, entry: Entry) -> None:
    if isinstance(entry.content, Path):
        _copy(entry, entry.content, target)
        return
    for block in entry.blocks():
        written = os.write(target, block)
        while written < len(block):
            written += os.write(target, memoryview(block)[written:])


def _copy(entry: Entry, content: Path, target: int) -> None:
    """The copy is made by the kernel, and shares blocks until one side changes, where the file system can."""
    try:
        source = os.open(content, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:  # which would be taken for one of the disk that is written to
        raise unreadable(content, error) from error
    try:
        left = entry.size
        while left:
            copied = _copy_part(source, target, left)
            if not copied:
                raise CommandFailed(f"{entry.path} ended {left} bytes early; it changed while it was read")
            left -= copied
    finally:
        os.close(source)


def _copy_part(source: int, target: int, most: int) -> int:
    try:
        return os.copy_file_range(source, target, min(most, _MOST))
    except OSError:  # not between these file systems
        return os.sendfile(target, source, None, min(most, _MOST))


def _sync_names(path: str) -> None:
    """The names in a folder are on the disk afterwards."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
