"""Whose certificates are accepted where a setting names an authority."""

from __future__ import annotations

import ssl
from pathlib import Path

from blocks.errors import InvalidRequest


def trusting(authority_file: str) -> ssl.SSLContext:
    """A context that takes the certificates of that authority, and no others.

    Raises:
        InvalidRequest: there is no certificate in the file.
    """
    try:
        return ssl.create_default_context(cafile=Path(authority_file).expanduser())
    except OSError as error:
        raise InvalidRequest(f"authority_file: {authority_file} has no certificate that can be read ({error})") from error
