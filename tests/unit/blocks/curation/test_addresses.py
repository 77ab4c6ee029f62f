"""Where a token or key may be sent: not to a host whose name only begins like one that is here."""

from __future__ import annotations

import pytest

from blocks.curation.http import is_safe


@pytest.mark.parametrize("url", ["https://data.example.org", "http://localhost:8000", "http://127.0.0.1/x", "http://[::1]:80"])
def test_encrypted_or_on_this_machine(url: str) -> None:
    assert is_safe(url)


@pytest.mark.parametrize(
    "url", ["http://data.example.org", "http://localhost.example.org", "http://127.example.org", "https://", "ftp://x", "x", ""]
)
def test_anything_else_is_not(url: str) -> None:
    assert not is_safe(url)
