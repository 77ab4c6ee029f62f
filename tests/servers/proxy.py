"""A bad network on the loopback device: it carries connections to a server, changes bytes on the way, and cuts."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress


class Proxy:
    """One place that leads to ``target``, a port of the loopback device.

    Attributes:
        port: where it is.
        damaged, cut: how often it has done so.
    """

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.damaged = self.cut = 0
        self._target = target
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._replacing = (b"", b"", 0)
        self._cutting = (b"", 0)
        self._spares_head = False
        self._hanging_up = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def damage(self, old: bytes, new: bytes, times: int) -> None:
        """Carry ``new`` in the place of ``old``, which is as long, so often."""
        self._replacing = (old, new, times)

    def cut_at(self, word: bytes, times: int) -> None:
        """End the connection that carries this, so often."""
        self._cutting = (word, times)

    def cut_behind_head(self, word: bytes, times: int) -> None:
        """The same, but let the head of the message pass whose body this is in."""
        self._spares_head = True
        self.cut_at(word, times)

    def hang_up(self, times: int) -> None:
        """Take connections, and end them when something has come, so often."""
        self._hanging_up = times

    def stop(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was stopped
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with suppress(OSError):  # nobody is there, or the certificate was not accepted
            if self._hangs_up():
                near.recv(65536)
                near.close()
                return
            if self._tls is not None:
                near = self._tls.wrap_socket(near, server_side=True)
            far = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._carry, args=(far, near), daemon=True).start()
            self._carry(near, far)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._is_cut(data):
                    head, end, _ = data.rpartition(b"\r\n\r\n")
                    if self._spares_head:
                        sink.sendall(self._changed(head + end))
                    break
                sink.sendall(self._changed(data))
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _hangs_up(self) -> bool:
        with self._lock:
            self._hanging_up -= 1
            return self._hanging_up >= 0

    def _is_cut(self, data: bytes) -> bool:
        with self._lock:
            word, times = self._cutting
            if not times or word not in data:
                return False
            self._cutting = (word, times - 1)
            self.cut += 1
            return True

    def _changed(self, data: bytes) -> bytes:
        with self._lock:
            old, new, times = self._replacing
            if not times or old not in data:
                return data
            self._replacing = (old, new, times - 1)
            self.damaged += 1
            return data.replace(old, new)
