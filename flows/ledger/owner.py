"""Who owns a lease: a process of a machine, told apart from a later one that was given the same number."""

from __future__ import annotations

import os
import platform
import uuid
from pathlib import Path

_SEPARATOR = "|"


def this_process() -> str:
    """The name under which this process owns leases: machine, boot, process, its start time, and a random part."""
    return _SEPARATOR.join((_machine(), str(os.getpid()), _started(os.getpid()) or "-", uuid.uuid4().hex[:8]))


def is_gone(owner: str) -> bool:
    """True when the owner surely is no more: a process of this machine that has ended. Others are judged by their lease alone."""
    machine, process, started, _ = owner.split(_SEPARATOR)
    return machine == _machine() and started != "-" and _started(int(process)) != started


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{platform.node()}/{boot.read_text().strip() if boot.exists() else '-'}"


def _started(process: int) -> str | None:
    """Ticks from boot to the start of a process (field 22 of proc(5)'s stat); None when there is no such process."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    after_name = status.rpartition(")")[2].split()
    return None if after_name[0] == "Z" else after_name[19]
