"""A repository on the loopback device, with the faults that networks and servers have. What it keeps survives a stop."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound, TooManyRequests
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.servers.ports import free_port

HOST = "127.0.0.1"
BLOCK = 64 * 1024


class Repository(ABC):
    """One web server; subclasses answer its requests.

    Attributes:
        calls: the method and path of each request, in order; nothing of a request that was cut.
        cut_after: bytes of a body of more than that, after which the connection is closed; once.
        lose: method and end of the path of a request that is carried out, but whose answer is lost; once.
        busy: the same of one that is not carried out, for there have been too many; once.
        give_up: the same, where a proxy has lost its patience with it and says so.
        below: the path of its front page, without a slash at its end.
        damage: how many files get another byte in the place of their last one.
    """

    token = "a-token-that-nobody-sees"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.calls: list[tuple[str, str]] = []
        self.cut_after = 0
        self.lose: tuple[str, str] | None = None
        self.busy: tuple[str, str] | None = None
        self.give_up: tuple[str, str] | None = None
        self.below = ""
        self.damage = 0
        self.held = threading.Event()  # set when a body has begun to arrive
        self._server: BaseWSGIServer | None = None
        self._lock = threading.Lock()

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """What a request is answered with; raises HTTPException."""

    def start(self) -> None:
        self._server = make_server(HOST, self.port, self._application, threaded=True, request_handler=_Quiet)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    @contextmanager
    def away(self, seconds: float) -> Iterator[None]:
        """It stops now, and comes back after a while."""
        self.stop()
        timer = threading.Timer(seconds, self.start)
        timer.start()
        yield
        timer.join()

    def received(self, stream: Any, length: int, name: str) -> Path:
        """Keep a body of this length, however the network is today."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        left = length
        with path.open("wb") as file:
            while left:
                if self.cut_after and length - left >= self.cut_after:
                    self.cut_after = 0
                    raise Cut
                block = stream.read(min(BLOCK, left))
                if not block:
                    raise Cut
                self.held.set()
                left -= len(block)
                file.write(block)
        return path

    def stored(self, path: Path, algorithm: str) -> str:
        """The checksum of what is kept, after the disk has done to it what it does."""
        if self.damage:
            self.damage -= 1
            with path.open("r+b") as file:
                file.seek(-1, 2)
                file.write(b"?")
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()

    def _application(self, environ: Any, start_response: Any) -> Any:
        if not environ["PATH_INFO"].startswith(f"{self.below}/"):
            return NotFound()(environ, start_response)
        environ |= {"SCRIPT_NAME": self.below, "PATH_INFO": environ["PATH_INFO"].removeprefix(self.below)}
        request = Request(environ)
        connection: socket.socket = environ["werkzeug.socket"]
        try:
            answer = TooManyRequests().get_response(environ) if self._is_busy(request) else self.answer(request)
        except HTTPException as error:
            answer = error.get_response(environ)
        except Cut:
            _cut(connection)
            return Response(status=500)(environ, start_response)
        with self._lock:
            self.calls.append((request.method, request.path))
        if self.lose is not None and request.method == self.lose[0] and request.path.endswith(self.lose[1]):
            self.lose = None
            _cut(connection)
        if self.give_up is not None and request.method == self.give_up[0] and request.path.endswith(self.give_up[1]):
            self.give_up = None
            answer = Response("<html><h1>504 Gateway Time-out</h1></html>", status=504)
        return answer(environ, start_response)

    def _is_busy(self, request: Request) -> bool:
        if self.busy is None or request.method != self.busy[0] or not request.path.endswith(self.busy[1]):
            return False
        self.busy = None
        return True


def _cut(connection: socket.socket) -> None:
    """Reset a connection at once, whoever else holds its descriptor, which is a dead line from now on."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    near, far = socket.socketpair()
    far.close()
    os.dup2(near.fileno(), connection.fileno())
    near.close()


class Cut(Exception):
    """The connection is to be cut."""


class _Quiet(WSGIRequestHandler):
    def log(self, *_words: Any) -> None:
        """Nothing is said on the terminal."""
