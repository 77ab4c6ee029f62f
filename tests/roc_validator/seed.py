"""Puts the JSON-LD context of RO-Crate 1.1 into a cache of the validator: ``seed.py CACHE CONTEXT``. Runs in its environment."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import requests
import urllib3
from requests_cache import CachedSession

URL = "https://w3id.org/ro/crate/1.1/context"
TYPE = {"Content-Type": "application/ld+json"}


def main() -> None:
    cache, context = sys.argv[1:]
    content = Path(context).read_bytes()
    response = requests.Response()
    response.status_code, response.url, response._content = 200, URL, content
    response.headers.update(TYPE)
    body = io.BytesIO(content)
    response.raw = urllib3.HTTPResponse(body=body, status=200, headers=TYPE, preload_content=False, request_url=URL)
    response.request = requests.Request("GET", URL).prepare()
    session = CachedSession(cache_name=cache, backend="sqlite", expire_after=-1)
    session.cache.save_response(response)
    session.close()


if __name__ == "__main__":
    main()
