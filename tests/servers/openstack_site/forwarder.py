"""Carries TCP connections from one address to another, both on this machine."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Thread

Address = tuple[str, int]
CHUNK = 65536


class Forwarder:
    """Listens at an address until ``stop``; connections go on after that, as those of a floating address do."""

    def __init__(self, source: Address, target: Address) -> None:
        """Begin. Raises OSError when ``source`` is taken."""
        self._target = target
        self._listener = socket.create_server(source)
        Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake who waits in accept
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # of a listener that was stopped
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._connect, args=[connection], daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near:
            try:
                far = socket.create_connection(self._target)
            except OSError:  # the server is off: who connected sees the connection close
                return
            with far:
                back = Thread(target=_carry, args=[far, near], daemon=True)
                back.start()
                _carry(near, far)
                back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry what comes, and then its end, one way."""
    with suppress(OSError):  # either end is gone
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
