"""The way to a host by a command of the user's, whose input and output stand for the connection: OpenSSH's ProxyCommand."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress

GRACE = 1.0  # seconds for a command to end once it is told to


class ProxyLine(socket.socket):
    """Our end of a running command's input and output. Closing it ends the command.

    Attributes:
        complaint: the last that the command wrote to its standard error; empty until it has ended.
    """

    def __init__(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(ours.family, ours.type, ours.proto, ours.detach())
        self.complaint = ""
        self._closing = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- no pipe: nobody reads it while all goes well, and it would fill up
        with theirs:  # a session of its own: an interrupt at the keyboard is for us, who may still need the connection
            ends = theirs.fileno()
            self._command = subprocess.Popen(
                f"exec {command}", shell=True, stdin=ends, stdout=ends, stderr=self._errors, start_new_session=True
            )

    def close(self) -> None:
        super().close()
        with self._closing:
            if self._errors.closed:
                return
            self._end()
            self._errors.seek(0)
            lines = self._errors.read().decode("utf-8", "replace").splitlines()
            self.complaint = " ".join([line.strip() for line in lines if line.strip()][-3:])
            self._errors.close()

    def _end(self) -> None:
        """Wait until the command has ended, which it most often does by itself once nobody listens any more."""
        for number, seconds in ((0, 0.2), (signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            if self._command.poll() is None:
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(self._command.pid, number)
                    self._command.wait(seconds)
