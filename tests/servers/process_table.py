"""The kernel's table of processes, as /proc shows it. A process that has just ended is no error to any of these."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any


def only_child(pid: int) -> int:
    """The one process that ``pid`` has started. Raises ValueError when there is none or several."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def children(pid: int) -> list[int]:
    """What the threads of ``pid`` have started, or have as orphans, and still runs."""
    try:
        threads = [thread.name for thread in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for thread in threads for child in _read(pid, f"task/{thread}/children").split()]


def descendants(pid: int) -> list[int]:
    """Every process below ``pid``, also those in namespaces of their own."""
    found = children(pid)
    for child in found:  # which grows
        found += children(child)
    return found


def beside(pid: int) -> list[int]:
    """Every process of the PID namespace of ``pid``, itself included."""
    namespace = _namespace(pid)
    everywhere = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [other for other in everywhere if namespace and _namespace(other) == namespace]


def end_namespace(unshare: subprocess.Popen[Any]) -> None:
    """Kill the first process of a namespace, and wait for ``unshare --fork``, which ends when all that was in it is gone."""
    while unshare.poll() is None:  # again, for one that is only about to start it
        send(signal.SIGKILL, children(unshare.pid))
        time.sleep(0.002)


def program(pid: int) -> str:
    """The name of its program, at most 15 characters; empty when it has ended."""
    return _read(pid, "comm").strip()


def command_line(pid: int) -> str:
    """Its words with blanks between; empty when it has ended."""
    return _read(pid, "cmdline").replace("\0", " ").strip()


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """Send the signal to each."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # root of a container may not look at the first process
        return ""


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
