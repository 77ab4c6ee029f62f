"""The media type of a file."""

from __future__ import annotations

import mimetypes
from posixpath import basename

_UNKNOWN = "application/octet-stream"
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def of(path: str) -> str:
    """What a file is, as far as its name tells; of one that is compressed, how, and not what comes out of it."""
    kind, compression = mimetypes.guess_type(f"./{basename(path)}")  # else a name with a colon would be taken for a URL
    if compression is not None:
        return _COMPRESSED.get(compression, _UNKNOWN)
    return kind or _UNKNOWN
