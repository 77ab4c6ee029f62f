"""A server that asks those who log in whatever a test wants it to ask."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import paramiko
from paramiko.common import AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL
from paramiko.server import InteractiveQuery

Prompts = list[tuple[str, bool]]


class Site(paramiko.ServerInterface):
    """The login node of a site: asks what it is told to ask, beside a key or, where ``key_first``, after it."""

    def __init__(self, *rounds: Prompts, key_first: bool = False, instructions: str = "", confirmation: float = 0.0) -> None:
        self.answers = list[str]()
        self._rounds = list(rounds)
        self._left = list(rounds)
        self._instructions = instructions
        self._confirmation = confirmation
        self._methods = "publickey" if key_first else "publickey,keyboard-interactive"
        self._verdict = AUTH_PARTIALLY_SUCCESSFUL if key_first else AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return self._methods

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._methods = "keyboard-interactive"
        return self._verdict

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        self._left = list(self._rounds)
        return self._next()

    def check_auth_interactive_response(self, responses: list[str]) -> int | InteractiveQuery:
        self.answers += responses
        time.sleep(self._confirmation)
        return self._next()

    def _next(self) -> int | InteractiveQuery:
        if not self._left:
            return AUTH_SUCCESSFUL
        return InteractiveQuery("", self._instructions, *self._left.pop(0))


class Serving:
    """A site on the loopback device, for as many logins as are tried."""

    def __init__(self, site: Site, key: paramiko.PKey) -> None:
        self._site, self._key = site, key
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._transports = list[paramiko.Transport]()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                transport = paramiko.Transport(self._listening.accept()[0])
                transport.add_server_key(self._key)
                self._transports.append(transport)
                transport.start_server(threading.Event(), self._site)

    def stop(self) -> None:
        self._listening.close()
        for transport in self._transports:
            transport.close()
