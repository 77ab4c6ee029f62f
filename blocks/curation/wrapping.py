"""A zip around one file, for a server that unpacks what it is sent, as a stream whose length follows from the size of the file.

Its content counts as deflated, in blocks that leave it as it is (RFC 1951, section 3.2.4): Java's ZipInputStream, by which
Dataverse unpacked until its version 6.0, takes a descriptor behind no other content, and one with large numbers only where they
are large.
PKWARE's APPNOTE 6.3 has the rest, in sections 4.3.7 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from blocks.errors import CommandFailed

LIMIT = 0xFFFFFFFF  # which in the place of a number says that it is elsewhere, with 64 bits
_MOST = 0xFFFF  # bytes of one block
_BLOCK = struct.Struct("<BHH")
_HEADER = struct.Struct("<4s5H3L2H")
_SIZES_64 = struct.Struct("<HHQQ")
_DESCRIPTOR, _DESCRIPTOR_64 = struct.Struct("<4s3L"), struct.Struct("<4sLQQ")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END, _END_64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_VERSION, _VERSION_64 = 20, 45
_FLAGS = 0x0808  # a descriptor follows, names are UTF-8
_DEFLATED = 8
_MOMENT = (0, 1 << 5 | 1)  # 1980-01-01, the earliest that there is


def length(name: str, size: int) -> int:
    """The length in bytes of the zip around a file of this name and size."""
    return sum(map(len, _frame(name, size, 0))) + _deflated(size)


def wrapped(name: str, size: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The zip.

    Raises:
        CommandFailed: the file has another size.
    """
    before, _ = _frame(name, size, 0)
    yield before
    checksum, left, waiting = 0, size, bytearray()
    for block in blocks:
        checksum = zlib.crc32(block, checksum)
        waiting += block
        pieces = bytearray()
        while len(waiting) >= _MOST and left >= _MOST:
            left -= _MOST
            pieces += _piece(waiting[:_MOST], is_last=not left)
            del waiting[:_MOST]
        yield bytes(pieces)
    if len(waiting) != left:
        raise CommandFailed(f"{name} changed while it was read; try again when nothing writes there")
    if waiting or not size:
        yield _piece(waiting, is_last=True)
    _, after = _frame(name, size, checksum)
    yield after


def _deflated(size: int) -> int:
    return size + _BLOCK.size * max(1, -(-size // _MOST))


def _piece(content: bytes | bytearray, *, is_last: bool) -> bytes:
    return _BLOCK.pack(is_last, len(content), len(content) ^ _MOST) + content


def _frame(name: str, size: int, checksum: int) -> tuple[bytes, bytes]:
    """What stands before the content, and what behind it."""
    encoded, deflated = name.encode(), _deflated(size)
    is_large = deflated >= LIMIT
    version = _VERSION_64 if is_large else _VERSION
    known = (version, _FLAGS, _DEFLATED, *_MOMENT)
    unknown = _SIZES_64.pack(1, 16, 0, 0) if is_large else b""
    none = LIMIT if is_large else 0
    before = _HEADER.pack(b"PK\3\4", *known, 0, none, none, len(encoded), len(unknown)) + encoded + unknown
    descriptor = (_DESCRIPTOR_64 if is_large else _DESCRIPTOR).pack(b"PK\7\x08", checksum, deflated, size)
    sizes = _SIZES_64.pack(1, 16, size, deflated) if is_large else b""
    told = (LIMIT, LIMIT) if is_large else (deflated, size)
    about = (checksum, *told, len(encoded), len(sizes), 0, 0, 0, 0, 0)
    central = _CENTRAL.pack(b"PK\1\2", version, *known, *about) + encoded + sizes
    end = _end(len(before) + deflated + len(descriptor), len(central))
    return before, descriptor + central + end


def _end(offset: int, size: int) -> bytes:
    """The end of a zip whose directory, of one entry, has this place and size."""
    if offset < LIMIT:
        return _END.pack(b"PK\5\6", 0, 0, 1, 1, size, offset, 0)
    more = _END_64.pack(b"PK\6\6", _END_64.size - 12, _VERSION_64, _VERSION_64, 0, 0, 1, 1, size, offset)
    locator = _LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
    return more + locator + _END.pack(b"PK\5\6", 0, 0, 1, 1, size, LIMIT, 0)
