"""Folders of this machine that hold what came out of crates of others, and from which nothing leads to what is this machine's."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks.errors import CommandFailed, InvalidRequest
from blocks.home import home
from blocks.storage.local import LocalStorage
from blocks.tree import Entry
from flows.crate import METADATA
from flows.digest import checksum

_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # the last: a password is needed


def place() -> Path:
    """Where all of them are."""
    return home() / "crates"


def is_in(folder: Path, path: Path) -> bool:
    """Whether a path, wherever links lead it, is in a folder."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (ValueError, RuntimeError):  # no path at all; links that lead to each other
        return False


def links_to_outside(folder: Path) -> list[str]:
    """The links below a folder that lead out of it, as paths from there."""
    links = sorted(path for path in folder.rglob("*") if path.is_symlink() and not is_in(folder, path))
    return [str(path.relative_to(folder)) for path in links]


@contextmanager
def looked_into(archive: Path) -> Generator[Path]:
    """What :func:`unpacked` gives, for as long as it is looked at. Raises as that does."""
    place().mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place()) as draft:
        yield unpacked(archive, Path(draft))


def unpacked(archive: Path, parent: Path | None = None) -> Path:
    """The folder of a crate that is in a zip, at its top or in the one folder there with one; without links that lead out of it.

    It is kept with all others, unless another folder is given.

    Raises:
        InvalidRequest: it can't be unpacked, is no crate, or a file of it would be written elsewhere.
    """
    content = Entry(archive.name, "file", size=archive.stat().st_size, content=archive)
    parent, name = parent or place(), checksum(content)[1][:16]
    try:
        with zipfile.ZipFile(archive) as opened:
            LocalStorage(path=str(parent)).store(name, _entries(opened))
    except _UNREADABLE as error:
        raise InvalidRequest(f"{archive} is no zip that can be read: {error}") from error
    except CommandFailed as error:
        raise InvalidRequest(f"{archive} can't be unpacked: {error}") from error
    folder = parent / name
    for link in links_to_outside(folder):  # of which the crate says nothing
        (folder / link).unlink()
    crates = [each for each in folder.iterdir() if (each / METADATA).is_file()]
    if (folder / METADATA).is_file():
        return folder
    if len(crates) != 1:
        shutil.rmtree(folder)
        raise InvalidRequest(f"{archive} is no crate, for it has no {METADATA}")
    return crates[0]


def _entries(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for info in archive.infolist():
        mode, path = info.external_attr >> 16, info.filename.removesuffix("/")
        if info.is_dir():
            yield Entry(path, "folder", 0o755)
        elif stat.S_ISLNK(mode):
            yield Entry(path, "link", target=archive.read(info).decode("utf-8", "surrogateescape"))
        else:
            with archive.open(info) as member:
                yield Entry(path, "file", stat.S_IMODE(mode) or 0o644, size=info.file_size, content=member)
