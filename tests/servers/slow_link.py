"""A network link with latency, to a network namespace that exists as long as the link."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.sshd import Network

CABLE = Path(__file__).with_name("cable.py")


@contextmanager
def slow_link(round_trip: float) -> Generator[Network]:
    """Reach the far end in ``round_trip`` seconds there and back. Raises RuntimeError when there can be no link."""
    command = [sys.executable, str(CABLE), str(round_trip)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cable:
        assert cable.stdin
        assert cable.stdout
        try:
            address = cable.stdout.readline().strip()
            if not address:
                raise RuntimeError("the slow link could not be made: is there /dev/net/tun, and are you root?")
            yield Network(address, Path(f"/proc/{cable.pid}/ns/net"))
        finally:
            cable.stdin.close()
