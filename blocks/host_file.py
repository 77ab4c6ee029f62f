"""Large files between hosts and storages, which need not pass through this machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

SMALLEST = 16 * 1024 * 1024  # bytes; for less, a question to the host and a signed address cost more than they save


@dataclass
class HostFile(ABC):
    """The content of an :class:`~blocks.tree.Entry` that its host can also send to an address itself."""

    size: int  # bytes
    md5: str  # in hexadecimal, as the host reads the file
    sha256: str

    @abstractmethod
    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes of it, from its start on; empty at the end."""

    @abstractmethod
    def send(self, url: str, headers: Mapping[str, str]) -> str:
        """Let the host PUT it to an address, and give the ETag of the answer, without its quotes.

        Raises:
            CommandFailed: the host can't reach the address, or the answer was no success; the address is not in the message.
        """


class StoredFile(ABC):
    """The content of an :class:`~blocks.tree.Entry` in a storage that hosts may fetch from it themselves.

    Attributes:
        sha256: in hexadecimal; empty where it is not known.
    """

    sha256: str = ""

    @abstractmethod
    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes of it, from its start on; empty at the end."""

    @abstractmethod
    def signed(self) -> str | None:
        """An address, a secret, from which it can be fetched for an hour; None where there can be none."""
