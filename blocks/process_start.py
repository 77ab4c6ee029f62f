"""The moment a process began, which tells it apart from a later one that was given the same number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ENDED = ("Z", "X")  # states of what has ended, and waits for its parent


def began(pid: int) -> str | None:
    """When the process with this id began, as the system tells it; None when there is none, or only its remains."""
    state, moment = _in_proc(pid) if sys.platform == "linux" else _by_ps(pid)
    return None if not state or state.startswith(_ENDED) else moment


def _in_proc(pid: int) -> tuple[str, str]:
    """Fields 3 and 22 of proc(5)'s stat; the second is in ticks since the boot."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


def _by_ps(pid: int) -> tuple[str, str]:
    """What ps(1) tells, in the words that it has for everybody, wherever they are."""
    plainly = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    told = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], env=plainly, capture_output=True, text=True, check=False)
    state, _, moment = told.stdout.strip().partition(" ")
    return state, moment.strip()
