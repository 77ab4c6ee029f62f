"""What is to go wrong with the next servers: a file for each fault, which holds how many servers it still concerns."""

from __future__ import annotations

import fcntl
from contextlib import suppress

from tests.servers.openstack_site.layout import Layout

FAULTS = ("spawn", "boot")  # the hypervisor fails, and Nova knows; the server never boots, and Nova takes it for active


def plan(layout: Layout, fault: str, servers: int) -> None:
    """Let it happen to so many servers. Raises ValueError for a fault that isn't known."""
    if fault not in FAULTS:
        raise ValueError(f"no fault is called {fault}: there are {', '.join(FAULTS)}")
    (layout.faults / fault).write_text(str(servers))


def happens(layout: Layout, fault: str) -> bool:
    """Whether it happens to the server that is made now."""
    with suppress(FileNotFoundError), (layout.faults / fault).open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        left = int(file.read())
        file.seek(0)
        file.write(str(max(0, left - 1)))
        file.truncate()
        return left > 0
    return False


def forget(layout: Layout) -> None:
    """Let nothing go wrong any more."""
    for file in layout.faults.iterdir():
        file.unlink()
