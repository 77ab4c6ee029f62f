"""Many files for an SFTP server as one tar stream, where the user has a shell there too that sees the same folders.

Over SFTP a small file takes five requests, each of which waits for its answer: with thousands of them that takes several times
as long.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from shlex import quote

from blocks.errors import CommandFailed, ResourceError
from blocks.storage.sftp_sessions import SFTPSessions
from blocks.transport.transport import Stream
from blocks.tree import BLOCK, END, Entry, member


class Archive:
    """A tar stream that is unpacked as it is written."""

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._waiting = bytearray()

    def add(self, entry: Entry) -> None:
        """Send one entry, the content of which is read now.

        Raises:
            Unreachable: the connection broke.
        """
        mode = entry.mode & 0o777 | (0o700 if entry.kind == "folder" else 0)
        for block in member(replace(entry, mode=mode, modified=entry.modified or time.time())):
            self._waiting += block
            if len(self._waiting) >= BLOCK:
                self._flush()

    def finish(self) -> None:
        """Wait until everything is there.

        Raises:
            CommandFailed: the server refused something, in its own words.
        """
        self._waiting += END
        self._flush()
        self._stream.end_input()
        result = self._stream.wait()
        if result.exit_code:
            said = " ".join(result.errors.split())[-300:]
            raise CommandFailed(
                f"{self._name} refused files ({said}); please look whether its disk or your quota is full, and whether it takes "
                "their names."
            )

    def _flush(self) -> None:
        self._stream.write(bytes(self._waiting))
        self._waiting.clear()


@contextmanager
def archive(sessions: SFTPSessions, folder: str) -> Generator[Archive | None]:
    """A stream into a folder that is there; None where there is no shell, or it is not for this, or somebody else has it."""
    look = f"cd {quote(folder)} 2>/dev/null && command -v tar >/dev/null 2>&1 || exit"
    with sessions.shell(f"{look}\necho ready\nexec tar xopf -") as stream:
        if stream is None:
            yield None
            return
        if not _is_ready(stream):
            sessions.has_shell = False
            yield None
            return
        try:
            yield Archive(stream, sessions.name)
        except BaseException:
            with suppress(ResourceError):  # so that nobody writes any more where things are removed now
                stream.end_input()
                stream.wait()
            raise


def _is_ready(stream: Stream) -> bool:
    said = b""
    with suppress(CommandFailed):  # as of a server that has no shell for this user
        while not said.endswith(b"\n") and (block := stream.read(BLOCK)):
            said += block
    return said == b"ready\n"
