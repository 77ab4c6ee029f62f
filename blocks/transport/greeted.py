"""A running script's output, as it comes through a login shell: what all transports have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from blocks.countdown import Countdown
from blocks.errors import CommandFailed, Unreachable
from blocks.transport.transport import GREETING, Result, Stream
from blocks.tree import BLOCK

TAIL = 16 * 1024  # bytes kept of standard error, and of what came before the greeting


class GreetedStream(Stream):
    """A stream that passes over everything before the greeting, and keeps what arrived before it was asked for."""

    def __init__(self, name: str, silence: float | None) -> None:
        self._name, self._silence = name, silence
        self._patience = None if silence is None else Countdown(silence)  # renewed by all that standard error says
        self._noise: bytes | None = b""  # None after the greeting
        self._kept = deque[memoryview]()
        self._ended = False

    @abstractmethod
    def _receive(self, size: int, countdown: Countdown | None) -> bytes | None:
        """Bytes as they come, all that are there: empty once the script has ended, None if none came in the time allowed."""

    @abstractmethod
    def _finish(self) -> tuple[int, str]:
        """The exit code of the ended script, and the end of its standard error."""

    def read(self, size: int, /) -> bytes:
        if not self._kept:
            self._wait(size)
        if not self._kept:
            return b""
        block = self._kept.popleft()
        if len(block) > size:
            self._kept.appendleft(block[size:])
        return bytes(block[:size])

    def poll(self, seconds: float) -> bool:
        try:
            return bool(self._kept) or self._arrives(BLOCK, Countdown(seconds))
        except (Unreachable, CommandFailed):
            return True  # read raises it again

    def wait(self) -> Result:
        output = bytearray()
        while block := self.read(BLOCK):
            output += block
        exit_code, errors = self._finish()
        return Result(exit_code, bytes(output), errors)

    def _wait(self, size: int) -> None:
        """Wait until there is something to read or the script has ended, for as long as it says anything at all."""
        if self._patience is not None:
            self._patience.renew()
        if not self._arrives(size, self._patience):
            raise Unreachable(f"{self._name} said nothing for {self._silence:g} seconds; it may be down or overloaded.")

    def _arrives(self, size: int, countdown: Countdown | None) -> bool:
        """Wait until there is something to read or the script has ended; False if neither happens in the time allowed."""
        while not self._kept and not self._ended:
            block = self._receive(size, countdown)
            if block is None:
                return False
            self._keep(block)
        if self._ended and self._noise is not None:
            raise CommandFailed(f"{self._name}: the login shell ended without running anything; it said: {self._complaint()}")
        return True

    def _keep(self, block: bytes) -> None:
        self._ended = not block
        if self._noise is not None:
            noise, greeting, block = (self._noise + block).partition(GREETING)
            self._noise = None if greeting else noise[-TAIL:]
        if block:
            self._kept.append(memoryview(block))

    def _complaint(self) -> str:
        words = (self._noise or b"").decode("utf-8", "replace") + self._finish()[1]
        return " ".join(words.split()) or "nothing"
