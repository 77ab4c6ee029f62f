"""Signature version 4: who sent a request. Source: AWS, "Signature Version 4 for API requests", IAM User Guide."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any
from urllib.parse import parse_qsl, quote

AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)")


def service(environ: dict[str, Any]) -> str:
    """For which service a request is signed, such as ``ec2``; empty when it is not signed so."""
    found = AUTHORIZATION.match(environ.get("HTTP_AUTHORIZATION", ""))
    return found[2].split("/")[2] if found else ""


def is_of(environ: dict[str, Any], body: bytes, access_key: str, secret_key: str) -> bool:
    """Whether the request is signed with this pair of keys."""
    found = AUTHORIZATION.match(environ.get("HTTP_AUTHORIZATION", ""))
    if not found or found[1] != access_key:
        return False
    _, scope, signed_headers, signature = found.groups()
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            environ.get("HTTP_X_AMZ_DATE", ""),
            scope,
            hashlib.sha256(_canonical_request(environ, body, signed_headers).encode()).hexdigest(),
        ]
    )
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)


def _canonical_request(environ: dict[str, Any], body: bytes, signed_headers: str) -> str:
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query)
    headers = [f"{name}:{_header(environ, name)}\n" for name in signed_headers.split(";")]
    return "\n".join(
        [
            environ["REQUEST_METHOD"],
            environ.get("PATH_INFO", "/"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(headers),
            signed_headers,
            environ.get("HTTP_X_AMZ_CONTENT_SHA256") or hashlib.sha256(body).hexdigest(),
        ]
    )


def _header(environ: dict[str, Any], name: str) -> str:
    variable = name.upper().replace("-", "_")
    value = environ.get(variable) if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else environ.get(f"HTTP_{variable}")
    return " ".join((value or "").split())
