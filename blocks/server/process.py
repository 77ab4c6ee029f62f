"""A Prefect command that runs in the background, out of the terminal's reach, and is found again by any later process.

What is remembered of it is its process id and the moment it began: the two together name one process for as long as the
machine is up, so that a number that the system has given to somebody else is never mistaken for it, nor sent a signal.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from blocks.errors import ChimineyError
from blocks.interrupted import interrupted_later
from blocks.process_start import began

# The shell leaves the command to init, so that a long-lived parent keeps no dead child.
_LEAVE = '"$@" </dev/null >>"$0" 2>&1 & echo $!'
_LOG_LIMIT = 10_000_000  # bytes, above which a log is put aside when the next process starts


@dataclass(frozen=True, slots=True)
class Process:
    """A process in the background."""

    pid: int
    began: str  # as the system tells it; only ever compared
    port: int = 0  # on which it serves, if it does

    @property
    def alive(self) -> bool:
        """It still runs, and is the one that was started."""
        return began(self.pid) == self.began

    def remember(self, file: Path) -> None:
        """Write it down whole or not at all."""
        draft = file.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(file)

    def stop(self, patience: float) -> None:
        """Ask it to end, and end it after so many seconds. Returns when it is gone.

        Raises:
            ChimineyError: it could not be ended.
        """
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 60.0)):
            if self.alive:
                os.kill(self.pid, number)
            if self._gone(seconds):
                return
        raise ChimineyError(f"process {self.pid} does not end; end it by hand")

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def start(arguments: list[str], environment: Mapping[str, str], log: Path, record: Path, port: int = 0) -> Process:
    """Run ``prefect`` with these arguments, in the log's folder and a session of its own, its files closed to others.

    It is remembered in the record: an interrupt in between would leave one that nobody knows of.

    Raises:
        ChimineyError: it ended at once.
    """
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    with interrupted_later():
        told = subprocess.run(
            ["/bin/sh", "-c", _LEAVE, str(log), sys.executable, "-P", "-m", "blocks.server.command", *arguments],
            env=dict(environment),
            cwd=log.parent,  # no .env or prefect.toml of the folder the person happens to stand in
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            umask=0o077,
            check=True,
        )
        pid = int(told.stdout)
        moment = began(pid)
        if moment is None:
            raise ChimineyError(f"prefect {arguments[0]} ended as soon as it was started; its words are in {log}")
        process = Process(pid, moment, port)
        process.remember(record)
    return process


def recall(file: Path) -> Process | None:
    """The process that was written down there, alive or not."""
    try:
        return Process(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ChimineyError(f"{file} is damaged ({error}); remove it") from error


@contextmanager
def alone(lock: Path) -> Generator[None]:
    """One process at a time; the lock goes with the process that holds it."""
    lock.touch(mode=0o600)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
