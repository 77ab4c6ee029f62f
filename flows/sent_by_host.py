"""A large file on its way from a host to the storage, which the host sends itself where it can.

Its faults are heard here: whoever reads or sends it is the storage, and would take them for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from blocks.errors import CommandFailed, ResourceError
from blocks.host_file import HostFile


class ReadHere:
    """The file as it comes through this machine."""

    def __init__(self, file: HostFile, failed: Callable[[ResourceError], None]) -> None:
        self._file = file
        self._failed = failed

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""
        try:
            return self._file.read(size)
        except ResourceError as error:
            self._failed(error)
            raise


class SentByHost(HostFile):
    """The file as its host sends it, or as it is read here if the host can't."""

    def __init__(
        self, file: HostFile, failed: Callable[[ResourceError], None], can_not_send: Callable[[CommandFailed], None]
    ) -> None:
        super().__init__(file.size, file.md5, file.sha256)
        self._file = file
        self._failed = failed
        self._can_not_send = can_not_send

    def read(self, size: int, /) -> bytes:
        return ReadHere(self._file, self._failed).read(size)

    def send(self, url: str, headers: Mapping[str, str]) -> str:
        try:
            return self._file.send(url, headers)
        except CommandFailed as error:
            self._can_not_send(error)
            raise
        except ResourceError as error:
            self._failed(error)
            raise
