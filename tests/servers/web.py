"""Web applications on the loopback device, for as long as a test needs them."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server


@contextmanager
def serving(application: Any, encryption: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL at which it answers, without a path."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet, ssl_context=encryption)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http{'s' if encryption else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def below(path: str, url: str) -> Iterator[str]:
    """The URL, with this path, at which a server is that knows nothing of the path, as behind nginx; elsewhere is nothing."""
    target = {"target": url, "remove_prefix": True, "host": None}
    with serving(ProxyMiddleware(NotFound(), {f"{path}/": target}, timeout=60)) as front:
        yield f"{front}{path}"


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""
