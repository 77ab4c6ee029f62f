"""JSON as it is written into files: UTF-8 that every reader takes, whatever somebody's program reported.

JSON has neither NaN nor infinity, which are written as null; and of text that is no Unicode, as the name of a file may be,
each odd character is written as an escape, from which Python reads the same again.
"""

from __future__ import annotations

import json
from typing import Any

from blocks.finite import finite


def content(document: object) -> bytes:
    """A whole file, for people too."""
    return f"{_text(document, ensure_ascii=False, indent=1)}\n".encode("utf-8", "backslashreplace")


def line(document: object) -> bytes:
    """A part of a file, in one line."""
    return _text(document, separators=(",", ":")).encode()


def _text(document: object, **form: Any) -> str:
    try:
        return json.dumps(document, allow_nan=False, **form)
    except ValueError:
        return json.dumps(finite(document), allow_nan=False, **form)
