"""A MyTardis on the loopback device: as strict and as odd as the real one of which ``mytardis_server/recorded.txt`` tells.

It can be stopped and started with what it keeps, or lose or damage what it is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from tests.servers.mytardis_server.api import Api, application
from tests.servers.mytardis_server.rows import DATAFILE, DATASET, EXPERIMENT, STORE, STRING, Row, Rows, User
from tests.servers.ports import free_port

ALICE = User(1, "alice", "alice-api-key-5f1d", "alice-password-77")
BOB = User(2, "bob", "bob-api-key-91aa", "bob-password-12")
CAROL = User(3, "carol", "carol-api-key-03", "carol-password-3", may_add=False)
DAVE = User(4, "dave", "dave-api-key-88", "dave-password-4", may_add_files=False)
PREFIX = "http://rmit.edu.au/schemas"
GRAPH = ("graph_info", "name", "value_dict", "value_keys")


class MyTardisServer:
    """One server; ``started`` when it is made."""

    def __init__(self, verification: float = 0.0, tls: tuple[str, str] | None = None, below: str = "") -> None:
        self.rows = Rows(verification)
        self.api = Api(self.rows, [ALICE, BOB, CAROL, DAVE])
        self.requests: list[tuple[str, str]] = []  # method and path, as they came
        self.before: Callable[[Request], None] = lambda _request: None  # called with each request, before it is answered
        self.after: Callable[[Request], None] = lambda _request: None  # called when it is done, before the answer is sent
        self._tls = tls
        self._below = below  # the path of its front page
        self._port = free_port()
        self._server: BaseWSGIServer | None = None
        self._lock = threading.Lock()
        self.rows.add("storagebox", _storage_box(STORE.removeprefix("local box at ")))
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}{self._below}"

    def start(self) -> None:
        """Answer, where it answered before."""
        self._server = make_server(
            "127.0.0.1", self._port, self._answered, threaded=True, request_handler=_Quiet, ssl_context=self._tls
        )
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="mytardis", daemon=True).start()

    def stop(self) -> None:
        """Be away; what is kept is kept."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def register(self, schemas: Iterable[str], schema_type: int, *parameters: str) -> None:
        """Register schemas with parameters that are text, as an administrator does."""
        for name in schemas:
            self.rows.register(f"{PREFIX}/{name}", schema_type, **dict.fromkeys(parameters, STRING))

    def register_graphs(self) -> None:
        """The schemas of graphs, and hrmc's tags."""
        for name, schema_type in (("expgraph", EXPERIMENT), ("dsetgraph", DATASET), ("dfilegraph", DATAFILE)):
            self.register([name], schema_type, *GRAPH)
        self.register(["hrmcexp"], EXPERIMENT)
        self.register(["hrmcdataset/input", "hrmcdataset/output"], DATASET)

    def table(self, kind: str) -> list[Row]:
        """All rows of a kind."""
        self.rows.settle()
        return list(self.rows.table(kind).values())

    def posts(self, kind: str) -> int:
        """How often something of this kind was to be made."""
        return self.requests.count(("POST", f"/api/v1/{kind}/"))

    def _answered(self, environ: dict[str, Any], start_response: Any) -> Any:
        if not environ["PATH_INFO"].startswith(f"{self._below}/"):
            return NotFound()(environ, start_response)
        environ |= {"SCRIPT_NAME": self._below, "PATH_INFO": environ["PATH_INFO"].removeprefix(self._below)}
        request = Request(environ)
        self.requests.append((request.method, request.path))
        self.before(request)
        with self._lock:
            answer = application(self.api)(environ, start_response)
        self.after(request)
        return answer


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


def _storage_box(place: str) -> Row:
    return {"attributes": [], "description": "Default Storage", "name": f"local box at {place}", "status": "online"}
