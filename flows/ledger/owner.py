"""Who owns a lease: a process of a machine, told apart from a later one that was given the same number."""

from __future__ import annotations

import os
import platform
import uuid
from pathlib import Path

from blocks.process_start import began

_SEPARATOR = "|"


def this_process() -> str:
    """The name under which this process owns leases: machine, boot, container, process, its start time, and a random part."""
    return _SEPARATOR.join((_machine(), str(os.getpid()), began(os.getpid()) or "-", uuid.uuid4().hex[:8]))


def is_gone(owner: str) -> bool:
    """True when the owner surely is no more: a process of this machine that has ended. Others are judged by their lease alone."""
    machine, process, started, _ = owner.split(_SEPARATOR)
    return machine == _machine() and started != "-" and began(int(process)) != started


def _machine() -> str:
    boot, numbering = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    known = (boot.read_text().strip(), str(numbering.readlink())) if boot.exists() else ("-", "-")
    return "/".join((platform.node(), *known))
