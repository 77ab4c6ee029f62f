"""A large file on its way to an object store, which nobody sees before it is complete."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial

from blocks.errors import CommandFailed
from blocks.host_file import HostFile
from blocks.storage.object_entries import metadata
from blocks.storage.object_store import ObjectStore
from blocks.storage.team import Team
from blocks.tree import Entry


class Upload:
    """A file that was sent, or is being sent, and not seen yet."""

    def __init__(self, store: ObjectStore, key: str, entry: Entry) -> None:
        self._store = store
        self._key = key
        self._metadata = metadata(entry)
        self._id = ""
        self._beginning = threading.Lock()
        self._parts = list[tuple[Future[str], int]]()

    def send(self, team: Team, content: bytes) -> None:
        """Send the next part, in a thread of the team."""
        number = len(self._parts) + 1
        self._parts.append((team.begin(partial(self._send, number, content)), len(content)))

    def have_sent(self, file: HostFile) -> bool:
        """Have the host send it all, as one part; False where it can't."""
        signed = self._store.signed_part(self._key, self._begun(), 1, bytes.fromhex(file.md5))
        if signed is None:
            return False
        try:
            etag = file.send(signed.url, signed.headers)
        except CommandFailed:  # whoever has the file has heard it, and it is sent from here
            return False
        arrived = Future[str]()
        arrived.set_result(etag)
        self._parts.append((arrived, file.size))
        return True

    def complete(self) -> None:
        """Let it be seen."""
        parts = [(sent.result(), size) for sent, size in self._parts]
        self._store.complete_upload(self._key, self._id, parts, self._metadata)

    def abort(self) -> None:
        """Forget it; nothing happens if it was completed."""
        if self._id:
            self._store.abort_upload(self._key, self._id)

    def _send(self, number: int, content: bytes) -> str:
        return self._store.send_part(self._key, self._begun(), number, content)

    def _begun(self) -> str:
        with self._beginning:
            if not self._id:
                self._id = self._store.begin_upload(self._key, self._metadata)
            return self._id
