"""As much of Keystone's version 3 as logging in needs: a cloud whose object store is a Swift of the tests.

As the API describes it: https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-scoped-authorization.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers.swift import Swift

EXPIRES = "2100-01-01T00:00:00.000000Z"


class Keystone:
    """One user of one project, and regions with a Swift each.

    Attributes:
        auth_url: with the version.
        logins: how often somebody logged in.
    """

    user, password, project, region = "tester", "the-password-of-the-tests", "lab", "north"

    def __init__(self, swift: Swift) -> None:
        self.logins = 0
        self._swift = swift
        keystone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, token, answer = keystone._answer(asked)
                content = json.dumps(answer).encode()
                self.send_response(status)
                if token:
                    self.send_header("X-Subject-Token", token)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.auth_url = f"http://127.0.0.1:{self._server.server_address[1]}/v3"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, asked: Any) -> tuple[int, str, Any]:
        user = asked["auth"]["identity"]["password"]["user"]
        if (user["name"], user["password"]) != (self.user, self.password):
            return (
                401,
                "",
                {"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires auth."}},
            )
        self.logins += 1
        token, url = self._swift.log_in()
        places = [
            ("public", "south", "http://127.0.0.1:9/v1/none"),
            ("public", self.region, url),
            ("admin", self.region, "http://x"),
        ]
        endpoints = [{"id": region, "interface": face, "region": region, "url": url} for face, region, url in places]
        catalogue = [{"id": "1", "type": "object-store", "name": "swift", "endpoints": endpoints}]
        told = {"id": "1", "name": self.user, "domain": {"id": "default", "name": "Default"}}
        return (
            201,
            token,
            {"token": {"expires_at": EXPIRES, "user": told, "roles": [{"id": "1", "name": "member"}], "catalog": catalogue}},
        )
