"""EC2's endpoint: who may call, what goes wrong, and moto with its words mended. What is not for EC2 moto answers as it is."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tests.servers.ec2_server import dialect, signature
from tests.servers.ec2_server.cloud import Settings
from tests.servers.ec2_server.faults import Fault, Faults

NOT_VALIDATED = "AWS was not able to validate the provided access credentials"

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Endpoint:
    """A WSGI application.

    Attributes:
        calls: one for each call of EC2, oldest first, with the fields of ``tests.servers.ec2.Call``.
    """

    def __init__(self, settings: Settings) -> None:
        self.faults = Faults()
        self.calls: list[dict[str, Any]] = []
        self._settings = settings
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()

    def change_key(self, access_key: str, secret_key: str) -> None:
        """Who may call from now on."""
        self._settings = replace(self._settings, access_key=access_key, secret_key=secret_key)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if signature.service(environ) not in {"", "ec2"}:
            return self._moto(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        parameters = dict(parse_qsl(body.decode() or environ["QUERY_STRING"], keep_blank_values=True))
        call: dict[str, Any] = {"time": time.time(), "action": parameters.get("Action", ""), "parameters": parameters}
        status, answer = self._answer(environ, body, parameters)
        call["outcome"] = "done" if status == HTTPStatus.OK else dialect.error_code(answer) or "lost"
        with self._lock:
            self.calls.append(call)
        if not answer:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response(f"{status} {status.phrase}", [("Content-Type", "text/xml"), ("Content-Length", str(len(answer)))])
        return [answer]

    def _answer(self, environ: Environ, body: bytes, parameters: dict[str, str]) -> tuple[HTTPStatus, bytes]:
        """The status and the document; an empty one when the caller is to hear nothing."""
        if not signature.is_of(environ, body, self._settings.access_key, self._settings.secret_key):
            return HTTPStatus.UNAUTHORIZED, dialect.error("AuthFailure", NOT_VALIDATED)
        action = parameters.get("Action", "")
        match self.faults.next(action):
            case Fault(kind="error", code=code, status=status):
                return HTTPStatus(status), dialect.error(code, "the test wants it so")
            case Fault(kind="hang"):
                self.faults.wait_until_healed()
                return HTTPStatus.SERVICE_UNAVAILABLE, b""
            case Fault(kind="lost"):
                self._carry_out(environ, parameters)
                return HTTPStatus.SERVICE_UNAVAILABLE, b""
            case _:
                status, answer = self._carry_out(environ, parameters)
                return status, dialect.answer(action, answer)

    def _carry_out(self, environ: Environ, parameters: dict[str, str]) -> tuple[HTTPStatus, bytes]:
        form = urlencode(dialect.request(parameters)).encode()
        as_form = {
            "REQUEST_METHOD": "POST",
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(form)),
            "wsgi.input": io.BytesIO(form),
        }
        statuses: list[str] = []
        answer = self._moto(environ | as_form, lambda status, _headers, _error=None: statuses.append(status))
        return HTTPStatus(int(statuses[0].split()[0])), b"".join(answer)
