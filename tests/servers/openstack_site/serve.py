"""Serve an application of WSGI with threads: ``serve.py MODULE ADDRESS PORT``, where the module has an ``application``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    """Keeps connections open, and does not write of every request."""

    protocol_version = "HTTP/1.1"

    def log(self, *words: Any) -> None:
        pass


def serve(application: Any, address: str, port: int) -> None:
    """Answer requests until the process ends."""
    make_server(address, port, application, threaded=True, request_handler=Handler).serve_forever()


def main(module: str, address: str, port: str) -> None:
    sys.argv = [module]  # services look for options of theirs
    serve(importlib.import_module(module).application, address, int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
