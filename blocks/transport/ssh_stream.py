"""A script at work on a channel of an SSH connection."""

from __future__ import annotations

import paramiko

from blocks.countdown import Countdown
from blocks.errors import Unreachable
from blocks.transport.greeted import TAIL, GreetedStream
from blocks.transport.ssh_channels import let_go
from blocks.transport.ssh_connection import WINDOW
from blocks.tree import BLOCK

_GLANCE = 0.2  # seconds between looks at standard error, which must never fill the window


class SSHStream(GreetedStream):
    """A script on a session channel. Closing it closes its pipes; the server ends what does not heed that as it sees fit."""

    def __init__(self, channel: paramiko.Channel, name: str, silence: float) -> None:
        super().__init__(name, silence)
        self._channel = channel
        self._patience = Countdown(silence)
        self._errors = bytearray()

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        self._patience.renew()
        while left:
            try:
                sent = self._send(left)
            except OSError:  # closed, by either side
                sent = 0
            except EOFError as error:
                raise self._broken() from error
            if not sent and self._channel.exit_status_ready():
                self._check_ended()
                return
            if sent:
                left = left[sent:]
                self._patience.renew()
            elif not self._patience.left:
                raise Unreachable(f"{self._name} took no input for {self._silence:g} seconds; it may be down or overloaded.")

    def _send(self, data: memoryview) -> int:
        """Send what the window takes; while it takes nothing, keep the output that comes."""
        self._channel.settimeout(_GLANCE)
        try:
            return self._channel.send(data)  # pyright: ignore[reportArgumentType] -- it takes any buffer
        except TimeoutError:
            self._drain_errors()
            while self._channel.recv_ready():
                self._keep(self._channel.recv(BLOCK))
            return 0

    def end_input(self) -> None:
        try:
            self._channel.shutdown_write()
        except EOFError as error:
            raise self._broken() from error
        except OSError:
            self._check_ended()

    def _receive(self, size: int, countdown: Countdown | None) -> bytes | None:
        countdown = countdown or self._patience
        while True:
            self._channel.settimeout(min(_GLANCE, countdown.left))
            try:
                self._drain_errors()
                block = self._channel.recv(max(size, WINDOW))  # all there is: paramiko would move the rest for each part of it
            except TimeoutError:
                if not countdown.left:
                    return None
            except (EOFError, OSError) as error:
                raise self._broken() from error
            else:
                if not block:
                    self._check_ended()
                return block

    def _drain_errors(self) -> None:
        while self._channel.recv_stderr_ready():
            self._errors += self._channel.recv_stderr(BLOCK)
            self._patience.renew()
        del self._errors[:-TAIL]

    def _check_ended(self) -> None:
        """The end of the output is the end of the script only once the server has said how it ended."""
        self._patience.renew()
        while not self._channel.status_event.wait(_GLANCE) and self._patience.left:
            pass
        if self._channel.exit_status < 0:
            raise self._broken()

    def _broken(self) -> Unreachable:
        return Unreachable(f"The connection to {self._name} broke, or its script was killed, before it ended; please try again.")

    def _finish(self) -> tuple[int, str]:
        self._drain_errors()
        return self._channel.recv_exit_status(), self._errors.decode("utf-8", "replace")

    def close(self) -> None:
        let_go(self._channel)
