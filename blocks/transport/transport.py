"""How a shell script is run somewhere: one method, whatever lies between.

A transport runs POSIX shell scripts on one host. The script is never on the remote command line, where a foreign login shell
(csh, fish) would read it and ``ps`` would show it: a constant command reads it as a line of standard input and evaluates it, and
what follows on standard input is the script's own. It starts in the user's home folder.

The line before it is ``exit``, which ends whatever shell reads it in place of that command, as one that a .bashrc went on with:
it would take the script, and the files behind it, for commands of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from blocks.errors import CommandFailed

READER = 'read -r first && [ "$first" = exit ] && read -r script && eval "$(printf %b "$script")"'  # for a POSIX shell
COMMAND = f"exec /bin/sh -c '{READER}'"  # for any login shell
MEDDLING = ("CDPATH", "TAR_OPTIONS", "GREP_OPTIONS")  # variables of a login shell by which cd, tar and grep print something else
GREETING = b"\x01chiminey\x01\n"  # all output before it is noise: a banner, a .bashrc that prints


def encode(script: str) -> bytes:
    """The script as the lines that :data:`COMMAND` reads; it first prints :data:`GREETING`.

    On a Mac, tar would else send a file ``._name`` beside each file that has attributes.
    """
    text = f"unset {' '.join(MEDDLING)}\nexport COPYFILE_DISABLE=1\nprintf '\\001chiminey\\001\\n'\n{script}"
    return b"exit\n" + text.replace("\\", "\\\\").replace("\n", "\\n").encode("utf-8", "surrogateescape") + b"\n"


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished script left."""

    exit_code: int
    output: bytes
    errors: str  # the end of its standard error


class Stream(ABC):
    """A script that is running: its standard input, output and end. Used by one thread at a time."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send to its standard input; what an ended script won't read is dropped quietly.

        Output that comes meanwhile is kept for ``read``, so that a script which answers while it is fed never waits for us.

        Raises:
            Unreachable: the connection broke, or the script took nothing for the transport's ``silence`` seconds.
        """

    @abstractmethod
    def end_input(self) -> None:
        """Close its standard input."""

    @abstractmethod
    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes of its standard output after the greeting; empty once the script has ended.

        Raises:
            Unreachable: the connection broke, or nothing came for the transport's ``silence`` seconds.
            CommandFailed: the login shell ended without having started the script.
        """

    @abstractmethod
    def poll(self, seconds: float) -> bool:
        """True as soon as ``read`` would not block (it may raise), False after so many seconds."""

    @abstractmethod
    def wait(self) -> Result:
        """Read on to the end and give the exit code, the rest of the output and the end of standard error.

        Raises:
            Unreachable: the connection broke before the script ended.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it, ended or not. May be called twice."""


class Transport(ABC):
    """A way to run scripts on one host; shared by threads."""

    name: str  # of the host, for messages
    round_trips: int = 0  # scripts opened so far: what a slow link makes expensive

    @abstractmethod
    def open(self, script: str) -> Stream:
        """Start a script.

        Raises:
            Unreachable: no connection; AuthenticationRefused, HostKeyRefused: it will not get better by itself.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connection; the next ``open`` makes a new one."""

    def run(self, script: str, data: Iterable[bytes] = ()) -> bytes:
        """Run a script to its end, feeding it ``data``, and give its output.

        Raises:
            CommandFailed: it ended with an exit code other than 0; the message has its own words.
        """
        stream = self.open(script)
        try:
            for block in data:
                stream.write(block)
            stream.end_input()
            result = stream.wait()
        finally:
            stream.close()
        if result.exit_code:
            words = "\n".join(line for line in result.errors.splitlines() if line.strip())  # without signs of life
            raise CommandFailed(f"{self.name}: {words or f'a command ended with exit code {result.exit_code}'}")
        return result.output
