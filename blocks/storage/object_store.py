"""What an object store can do, whichever protocol it speaks: keys with content and a few words about it, and no folders."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from blocks.patience import Patience
from blocks.storage.object_clock import Clock
from blocks.storage.object_refusals import damaged

AT_ONCE = 16  # requests
LONGEST_KEY = 1024  # bytes, of S3 and of Swift
_PAGE = 1000  # objects of which a listing tells at a time
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as listings tell of it."""

    key: str
    size: int  # bytes
    modified: float  # seconds since the epoch
    has_segments: bool = False  # objects of their own, which end with it


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object itself; ``content`` is empty where it was not asked for."""

    size: int  # bytes
    modified: float  # seconds since the epoch
    etag: str  # changes with the content
    metadata: Mapping[str, str]
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload that was begun, and neither completed nor aborted."""

    key: str
    upload: str
    begun: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Signed:
    """A secret: whoever knows the address may PUT there, for an hour, with these headers."""

    url: str = field(repr=False)
    headers: Mapping[str, str]


class ObjectStore(ABC):
    """One bucket, or container. Requests are repeated after faults that pass, and fail in sentences.

    Whatever is sent carries a checksum that the store verifies; what is fetched is compared with the one that the store tells.

    Attributes:
        name: what people call it.
        most_parts: of one upload.
        deleted_at_once: keys that one request deletes.
        clock: its time, with which those of objects and uploads are to be compared.
        patience: with its faults.

    Every method raises Unreachable when the store does not answer, and CommandFailed or AuthenticationRefused when it refuses.
    """

    name: str
    most_parts: int
    deleted_at_once: int
    clock: Clock
    patience: Patience

    @abstractmethod
    def listed(self, prefix: str) -> Iterator[Listed]:
        """Every object whose key begins so."""

    @abstractmethod
    def names(self, prefix: str) -> Iterator[Listed]:
        """The same, but those whose keys have a ``/`` behind the prefix are one, with that much of their keys."""

    def find(self, key: str) -> Listed | None:
        """The object of this key; no other with this beginning is listed before it."""
        return next((found for found in islice(self.names(key), _PAGE) if found.key == key), None)

    @abstractmethod
    def look(self, key: str) -> Fetched:
        """All but the content. Raises NotFound."""

    @abstractmethod
    def fetch(self, key: str) -> Fetched:
        """An object with all of its content, which is to fit into memory. Raises NotFound."""

    @abstractmethod
    def fetch_range(self, key: str, etag: str, offset: int, size: int) -> bytes:
        """Some of the content, if the object is still the one that was looked at."""

    @abstractmethod
    def digest(self, key: str, found: Fetched) -> Digest | None:
        """What finds out whether the content of a large object came whole; None where the store does not tell enough."""

    @abstractmethod
    def put(self, key: str, content: bytes, metadata: Mapping[str, str]) -> None:
        """Write an object, at once."""

    @abstractmethod
    def begin_upload(self, key: str, metadata: Mapping[str, str]) -> str:
        """Begin to write a large object, which is not seen before it is completed; gives the id of the upload."""

    @abstractmethod
    def send_part(self, key: str, upload: str, number: int, content: bytes) -> str:
        """Send one part of it, counted from 1; gives its checksum."""

    def signed(self, key: str) -> str | None:
        """Where somebody else may fetch an object for an hour; None where the protocol has no such thing."""
        del key
        return None

    def signed_part(self, key: str, upload: str, number: int, checksum: bytes) -> Signed | None:
        """Where somebody else may send one part, with this MD5; None where the protocol has no such thing."""
        del key, upload, number, checksum
        return None

    @abstractmethod
    def complete_upload(self, key: str, upload: str, parts: Sequence[tuple[str, int]], metadata: Mapping[str, str]) -> None:
        """Let the object be seen that is made of these parts: the checksum and the size of each."""

    @abstractmethod
    def abort_upload(self, key: str, upload: str) -> None:
        """Forget an upload, with its parts; nothing happens if it is not there."""

    @abstractmethod
    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        """The uploads of keys that begin so."""

    @abstractmethod
    def copy(self, source: Listed, target: str) -> None:
        """Have the store copy an object."""

    @abstractmethod
    def delete(self, objects: Sequence[Listed]) -> None:
        """Delete at most ``deleted_at_once`` objects; those that are not there are no error."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


class Digest:
    """The checksum of content that comes piece by piece, as stores make it for objects of several parts."""

    def __init__(
        self, expected: str, parts: Sequence[int], of_text: bool, has_such_parts: Callable[[], bool] = lambda: True
    ) -> None:
        """Begin.

        Args:
            expected: the checksum of the parts' checksums.
            parts: their sizes in bytes; the last one holds for all that follow.
            of_text: whether the parts' checksums are written out in it, as Swift does, or are bytes, as with S3.
            has_such_parts: asked when the checksum is another; where the parts were other ones it tells nothing.
        """
        self._has_such_parts = has_such_parts
        self._expected = expected
        self._sizes = list(reversed(parts))
        self._of_text = of_text
        self._all = hashlib.md5(usedforsecurity=False)
        self._part = hashlib.md5(usedforsecurity=False)
        self._left = parts[0]

    def add(self, content: bytes) -> None:
        """Count in what came next."""
        view = memoryview(content)
        while len(view) >= self._left:
            self._part.update(view[: self._left])
            view = view[self._left :]
            self._end_part()
        self._part.update(view)
        self._left -= len(view)

    def is_right(self) -> bool:
        """Whether all that came is what the store has, as far as it can tell."""
        if self._left != self._sizes[-1]:
            self._end_part()
        return self._all.hexdigest() == self._expected or not self._has_such_parts()

    def _end_part(self) -> None:
        self._all.update(self._part.hexdigest().encode() if self._of_text else self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        if len(self._sizes) > 1:
            self._sizes.pop()
        self._left = self._sizes[-1]


def md5(content: bytes) -> bytes:
    """The checksum that all stores know."""
    return hashlib.md5(content, usedforsecurity=False).digest()


def compare(key: str, content: bytes, etag: str) -> None:
    """See whether content of one piece is what a store has, as far as its ETag tells.

    Raises:
        Damaged: it is not.
    """
    if _MD5.fullmatch(etag) and md5(content).hex() != etag:
        raise damaged(key)


def compare_parts(key: str, content: bytes, digest: Digest | None) -> None:
    """The same for content of several parts.

    Raises:
        Damaged: it is not what the store has.
    """
    if digest is not None and content:
        digest.add(content)
        if not digest.is_right():
            raise damaged(key)
