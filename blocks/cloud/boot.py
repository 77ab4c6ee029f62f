"""The boot of a machine: waited for until it lets us in, and cloud-init is done with it."""

from __future__ import annotations

import time
from collections.abc import Callable

from blocks.errors import AuthenticationRefused, CommandFailed, HostKeyRefused, RunCancelled, Unreachable
from blocks.transport.transport import Transport

REFUSALS_SECONDS = 30.0  # in which a machine that starts may not yet have the keys that it was given
_PAUSE = 1.0  # seconds between two attempts
_CLOUD_INIT = """
command -v cloud-init >/dev/null 2>&1 || exit 0
for _ in 1 2 3 4 5 6 7 8; do
    status=$(cloud-init status 2>/dev/null)
    case $status in
    *error*)
        cloud-init status --long >&2
        exit 1
        ;;
    *running* | *"not "*) sleep 1 ;;
    *) exit 0 ;;
    esac
done
echo "$status"
"""  # "running" and "not started" (or "not run") are followed by "done"


class Boot:
    """The time that one machine has to boot, from now on, while somebody waits for it."""

    def __init__(self, limit: float, stopped: Callable[[], bool]) -> None:
        """``limit`` is in seconds; ``stopped`` says whether nobody waits any more."""
        self._limit = limit
        self._deadline = time.monotonic() + limit
        self._stopped = stopped

    def let_in(self, transport: Transport) -> None:
        """Wait until the machine answers, and cloud-init has ended well; the transport is closed then.

        Raises:
            AuthenticationRefused, HostKeyRefused: it goes on refusing the key that it was given, or shows another one.
            CommandFailed: cloud-init failed, or the time is over.
            RunCancelled: nobody waits for it any more.
        """
        refused = 0.0
        try:
            while True:
                trouble = "cloud-init is still at work on it"
                try:
                    if not transport.run(_CLOUD_INIT):
                        return
                except (AuthenticationRefused, HostKeyRefused) as error:
                    refused = refused or time.monotonic()
                    if time.monotonic() - refused > REFUSALS_SECONDS:
                        raise
                    trouble = str(error)
                except Unreachable as error:
                    trouble = f"it can't be reached over SSH ({error})"
                except CommandFailed as error:
                    raise CommandFailed(f"cloud-init failed on it: {error}") from error
                self.wait(trouble)
        finally:
            transport.close()

    def wait(self, trouble: str) -> None:
        """For a moment, for this is in the way.

        Raises:
            CommandFailed: the time is over.
            RunCancelled: nobody waits for it any more.
        """
        if self._stopped():
            raise RunCancelled("nobody waits for this machine any more")
        if time.monotonic() > self._deadline:
            raise CommandFailed(f"{trouble}, {self._limit:g} s after it was asked for")
        time.sleep(min(_PAUSE, max(0.05, self._deadline - time.monotonic())))
