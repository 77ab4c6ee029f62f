"""Storage in a folder of this machine."""

import errno
import os
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from blocks.errors import CommandFailed, NotFound, Unstorable
from blocks.storage.landing import landing
from blocks.storage.resource import INCOMING, StorageResource, inside, named
from blocks.storage.slots import recover
from blocks.tree import BLOCK, Entry, folder, walk

_CAUSES = {
    errno.ENOSPC: "the disk is full; please free some space or choose another storage",
    errno.EDQUOT: "your disk quota is used up; please free some space or choose another storage",
    errno.EACCES: "you have no permission; please choose a folder of your own",
    errno.EPERM: "you have no permission; please choose a folder of your own",
    errno.EROFS: "the disk can only be read; please choose another storage",
    errno.ENOTDIR: "a part of the path is not a folder; please choose another path",
    errno.EEXIST: "a part of the path is not a folder; please choose another path",
    errno.EISDIR: "it is a folder, not a file; please choose another path",
    errno.ENAMETOOLONG: "a name is too long; please choose a shorter one",
    errno.EILSEQ: "a name has characters that this disk does not take; please choose another one",
}
_NAMES = (errno.ENAMETOOLONG, errno.EILSEQ)


class LocalStorage(StorageResource):
    """A folder of the machine that runs the connector."""

    _block_type_name = "Local Storage"
    _block_type_slug = "chiminey-local-storage"
    _description = "Keeps input and results in a folder of the machine that runs the connector."

    kind: ClassVar[str] = "local"

    path: str = Field(
        default="~",
        title="Base folder",
        description="The folder that holds everything; ~ is your home folder. It is made when something is first written.",
    )

    def describe(self, path: str = "") -> str:
        return str(self._place(path))

    def exists(self, path: str) -> bool:
        with self._plainly(path):
            return self._place(path).exists()

    def read(self, path: str) -> bytes:
        with self._plainly(path):
            return self._place(path).read_bytes()

    def blocks(self, path: str) -> Iterator[bytes]:
        with self._plainly(path), self._place(path).open("rb") as source:
            while block := source.read(BLOCK):
                yield block

    def tree(self, path: str) -> Iterator[Entry]:
        with self._plainly(path):
            for entry in walk(self._place(path)):
                if INCOMING not in entry.path or INCOMING not in entry.path.split("/"):
                    yield entry

    def collect(self, parent: str, tree: Iterable[Entry]) -> list[str]:
        with self._plainly(parent), landing(str(self._place(parent))) as arriving:
            for entry in tree:
                arriving.add(entry)
            return arriving.appear()

    def alias(self, source: str, target: str) -> None:
        """Two folders that share their files: one that is a symbolic link would be passed over by find, and copied as a link."""
        parent, name = named(target)
        with self._plainly(source), landing(str(self._place(parent))) as arriving:
            arriving.add(folder(name))
            for entry in self.tree(source):
                arriving.share(entry.under(name))
            arriving.appear()

    def recover(self, path: str) -> None:
        with self._plainly(path):
            recover(str(self._place(path)))

    def remove(self, path: str) -> None:
        named(path)
        place = self._place(path)
        with self._plainly(path), suppress(FileNotFoundError):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()

    def close(self) -> None:
        """There is nothing to close."""

    def list(self, path: str) -> list[str]:
        with self._plainly(path):
            return sorted(name for name in os.listdir(self._place(path)) if name != INCOMING)  # noqa: PTH208

    def _place(self, path: str) -> Path:
        try:
            base = Path(self.path).expanduser()
        except RuntimeError as error:
            whose = Path(self.path).parts[0]
            raise NotFound(
                f"{self.path} is not there: this machine knows no home folder {whose}; please choose another path."
            ) from error
        return base.absolute() / inside(path)

    @contextmanager
    def _plainly(self, path: str) -> Generator[None]:
        """Say in plain words what the disk refused."""
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"{self._culprit(error, path)} is not there; please check the path.") from error
        except OSError as error:
            cause = _CAUSES.get(error.errno or 0, error.strerror)
            kind = Unstorable if error.errno in _NAMES else CommandFailed
            raise kind(f"{self._culprit(error, path)}: {cause}.") from error

    def _culprit(self, error: OSError, path: str) -> str:
        """The file of which an error speaks, unless it is one that nobody else knows of."""
        named_file = os.fspath(error.filename) if isinstance(error.filename, str | Path) else ""
        return self.describe(path) if INCOMING in named_file or not named_file else named_file

    def _facts(self) -> "list[str]":
        free = shutil.disk_usage(self._place("")).free
        return [f"{free / 1e9:.1f} GB are free."]
