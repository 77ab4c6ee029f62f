"""Scripts on this machine, as child processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from blocks.countdown import Countdown
from blocks.errors import Unreachable
from blocks.transport.greeted import TAIL, GreetedStream
from blocks.transport.transport import READER, Stream, Transport, encode
from blocks.tree import BLOCK

_OURS = ("PREFECT_", "CHIMINEY_LEDGER")  # they may hold passwords, and scripts have no business with either


class LocalTransport(Transport):
    """Runs scripts on this machine, each in a session of its own."""

    name = "this machine"

    def open(self, script: str) -> Stream:
        self.round_trips += 1
        stream = _LocalStream(self.name)
        stream.write(encode(script))
        return stream

    def close(self) -> None:
        pass  # there is no connection


class _LocalStream(GreetedStream):
    """A child process. Closing it early ends it and the children in its process group, and nothing that it detached."""

    def __init__(self, name: str) -> None:
        super().__init__(name, silence=None)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- a pipe that nobody reads would stop the script
        home = Path.home()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", READER],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
                cwd=home if home.is_dir() else "/",
                env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
            )
        except OSError as error:  # it has no memory left, or no room for another process
            self._errors.close()
            raise Unreachable(f"{name}: no shell can be started: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._input.fileno(), False)

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        with suppress(BrokenPipeError):
            while left:
                left = left[self._send(left) :]

    def _send(self, data: memoryview) -> int:
        """Send what the pipe takes at once; while it takes nothing, keep the output that comes."""
        with suppress(BlockingIOError):
            return os.write(self._input.fileno(), data)
        waiting = select.poll()
        waiting.register(self._input, select.POLLOUT)
        if not self._ended:
            waiting.register(self._output, select.POLLIN)
        ready = dict(waiting.poll())
        if self._output.fileno() in ready:
            self._keep(os.read(self._output.fileno(), BLOCK))
        return 0

    def end_input(self) -> None:
        self._input.close()

    def _receive(self, size: int, countdown: Countdown | None) -> bytes | None:
        waiting = select.poll()
        waiting.register(self._output, select.POLLIN)
        if not waiting.poll(None if countdown is None else countdown.left * 1000):
            return None
        return os.read(self._output.fileno(), size)

    def _finish(self) -> tuple[int, str]:
        exit_code = self._process.wait()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - TAIL))
        errors = self._errors.read().decode("utf-8", "replace")
        return exit_code if exit_code >= 0 else 128 - exit_code, errors  # a signal, as a shell reports it

    def close(self) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._input.close()
        self._output.close()
        self._errors.close()
