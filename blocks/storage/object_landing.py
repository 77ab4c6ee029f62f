"""How a tree is written to an object store, where nothing can be renamed: unseen first, and then all at once.

Small files wait in memory. Large ones, and small ones for which there is no room, are sent at once, as uploads that are not
completed and so not seen. Until the stream has ended nothing has changed; then a journal guards the change (see
``object_journal``), during which the names that it concerns are seen by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from blocks.errors import CommandFailed, ResourceError, Unstorable
from blocks.host_file import HostFile
from blocks.storage.object_entries import PIECE, PLAIN_FOLDER, admit_key, metadata, permissions
from blocks.storage.object_journal import AHEAD, Journals
from blocks.storage.object_store import AT_ONCE, Listed, ObjectStore
from blocks.storage.object_upload import Upload
from blocks.storage.resource import admit, joined
from blocks.storage.team import Team
from blocks.tree import Entry

_SMALL = 4 * 1024 * 1024  # bytes
_ROOM = 48 * 1024 * 1024  # bytes of small files that wait in memory
_EACH = 1024  # bytes that any of them takes besides
_SENDERS = 6  # pieces of PIECE bytes on their way


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file in memory."""

    content: bytes
    metadata: dict[str, str]


_Planned = _Kept | Upload | Listed  # the last one is to be copied


@contextmanager
def landing(store: ObjectStore, journals: Journals, parent: str) -> Generator[ObjectLanding]:
    """A place to write trees that are to appear below the key ``parent``; of what did not appear nothing is left.

    When even that can't be told to the store, because the connection broke, the next landing of the same removes it.
    """
    journals.look()
    with Team(_SENDERS, _SENDERS) as senders:
        arriving = ObjectLanding(store, journals, parent, senders)
        try:
            yield arriving
        except BaseException:
            senders.dismiss()
            arriving.forget()
            raise


class ObjectLanding:
    """Trees on their way into one folder."""

    def __init__(self, store: ObjectStore, journals: Journals, parent: str, senders: Team) -> None:
        self._store = store
        self._journals = journals
        self._parent = parent
        self._senders = senders
        self._planned = dict[str, _Planned]()
        self._is_folder = dict[str, bool]()  # by path; of each that is in the stream or above something that is
        self._folders = dict[str, Entry]()
        self._room = _ROOM

    def add(self, entry: Entry) -> None:
        """Keep or send one entry; raises what failed before.

        Raises:
            CommandFailed: it would be written outside its folder; its content ended early.
            Unstorable: something of another kind was there before, or no store holds such a name.
        """
        admit(entry.path)
        self._claim(entry.path, entry.kind == "folder")
        if entry.kind == "folder":
            self._folders[entry.path] = entry
        elif entry.kind == "link":
            self._plan(entry.path, _Kept(entry.target.encode("utf-8", "surrogateescape"), metadata(entry)))
        elif not self._keep(entry):
            self._send(entry)

    def copy(self, source: Listed, path: str) -> None:
        """Have the store copy an object when the rest appears; a path that ends with ``/`` is a folder's."""
        self._claim(path.rstrip("/"), path.endswith("/"))
        self._plan(path, source)

    def appear(self) -> list[str]:
        """Let everything be seen; returns the names, sorted."""
        self._senders.finish()
        self._add_folders()
        names = sorted({path.partition("/")[0] for path in self._is_folder})
        if not names:
            return []
        keys = [joined(self._parent, name) for name in names]
        self._journals.take_back(keys)
        old = self._old(keys)
        if self._is_one_request(old):
            self._write_all(lambda: None)
            return names
        journal = self._journals.new(keys, old)
        try:
            journal.begin()
            self._write_all(journal.live_on)
            journal.end()
        except BaseException:
            with suppress(ResourceError):  # the first error is the one to tell, and the next landing does this again
                journal.restore()
            raise
        return names

    def forget(self) -> None:
        """Abort the uploads, as far as the store can be told."""
        with suppress(ResourceError):  # the first error is the one to tell
            for planned in self._planned.values():
                if isinstance(planned, Upload):
                    planned.abort()

    def _claim(self, path: str, is_folder: bool) -> None:
        if self._is_folder.setdefault(path, is_folder) is not is_folder:
            raise Unstorable(f"{path!r} came both as a folder and as something else; please remove one of them.")
        above = path.rpartition("/")[0]
        if above and not self._is_folder.get(above, False):
            self._claim(above, True)

    def _plan(self, path: str, planned: _Planned) -> None:
        admit_key(joined(self._parent, path))
        before = self._planned.get(path)  # named twice: the last one counts, as in tar
        if isinstance(before, Upload):
            self._senders.finish()
            before.abort()
        self._planned[path] = planned

    def _keep(self, entry: Entry) -> bool:
        if entry.size and (entry.size > _SMALL or entry.size + _EACH > self._room):
            return False
        self._plan(entry.path, _Kept(b"".join(entry.blocks()), metadata(entry)))
        self._room -= entry.size + _EACH
        return True

    def _send(self, entry: Entry) -> None:
        key = joined(self._parent, entry.path)
        admit_key(key)
        upload = Upload(self._store, key, entry)
        self._plan(entry.path, upload)
        if isinstance(entry.content, HostFile) and upload.have_sent(entry.content):
            return
        size = max(PIECE, -(-entry.size // self._store.most_parts))
        for part in entry.pieces(size):
            upload.send(self._senders, part)

    def _add_folders(self) -> None:
        """Plan an object for each folder that is empty, or not like those that have none."""
        filled = {path.rstrip("/").rpartition("/")[0] for path in self._planned}
        filled |= {path.rpartition("/")[0] for path in self._is_folder}
        for path, entry in self._folders.items():
            if path not in filled or entry.modified or permissions(entry) != PLAIN_FOLDER:
                self._plan(f"{path}/", _Kept(b"", metadata(entry)))

    def _old(self, keys: list[str]) -> list[Listed]:
        """What is there of these keys, and below."""
        self._refuse_files_above()
        wanted = set(keys)
        found = [each for each in self._store.names(_beginning(keys)) if each.key.rstrip("/") in wanted]
        old = [each for each in found if not each.key.endswith("/")]
        for each in found:
            if each.key.endswith("/"):
                old += self._store.listed(each.key)
        return old

    def _refuse_files_above(self) -> None:
        base = self._journals.base  # above which not everybody may look
        parts = self._parent.removeprefix(base).strip("/").split("/") if self._parent != base else []
        for end in range(1, len(parts) + 1):
            key = joined(base, *parts[:end])
            if self._store.find(key) is not None:
                raise CommandFailed(f"{key}: a part of the path is not a folder; please choose another path.")

    def _is_one_request(self, old: list[Listed]) -> bool:
        """Whether writing is one request, which a store does whole or not at all."""
        if not self._planned:
            return True
        (first, *others) = (joined(self._parent, path) for path in self._planned)
        return not others and all(each.key == first and not each.has_segments for each in old)

    def _write_all(self, meanwhile: Callable[[], None]) -> None:
        with Team(AT_ONCE, AHEAD, meanwhile) as team:
            for path, planned in self._planned.items():
                team.begin(partial(self._write, joined(self._parent, path), planned))
            team.finish()

    def _write(self, key: str, planned: _Planned) -> None:
        match planned:
            case _Kept():
                self._store.put(key, planned.content, planned.metadata)
            case Upload():
                planned.complete()
            case Listed():
                self._store.copy(planned, key)


def _beginning(keys: list[str]) -> str:
    """What sorted keys have in common, which may end in the middle of a name."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(keys[0], keys[-1], strict=False))
    return "".join(each for each, _ in same)
