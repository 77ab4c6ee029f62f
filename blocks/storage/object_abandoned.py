"""Uploads that nobody completes any more: whoever had begun them has died."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from threading import Lock

from blocks.errors import CommandFailed, NotFound
from blocks.storage.object_keys import Keys
from blocks.storage.object_store import ObjectStore, Unfinished
from blocks.storage.resource import STALE


class Abandoned:
    """Those below a prefix that were there before this process began any. One that can't be aborted only costs room."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        """Nothing is asked yet."""
        self._store = store
        self._prefix = prefix
        self._left: list[Unfinished] | None = None
        self._looking = Lock()

    def look(self) -> None:
        """See what there is, before anything else is begun; once will do.

        What is older than a day is aborted, but not in a whole bucket, which may be others' too.
        """
        with self._looking:
            if self._left is None:
                self._left = []
                with suppress(CommandFailed, NotFound):  # not everybody may list uploads, and not every store can
                    self._left += self._store.unfinished(self._prefix)
                self._abort([each for each in self._left if self._prefix and each.begun < self._store.clock.now() - STALE])

    def abort(self, keys: Iterable[str]) -> None:
        """Abort those to these keys and below: there is one writer at a time, so theirs has died."""
        concerned = Keys(keys)
        with self._looking:
            self._abort([each for each in self._left or () if each.key in concerned])

    def _abort(self, uploads: list[Unfinished]) -> None:
        for each in uploads:
            with suppress(CommandFailed):
                self._store.abort_upload(each.key, each.upload)
        self._left = [each for each in self._left or () if each not in uploads]
