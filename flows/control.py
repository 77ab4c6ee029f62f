"""What may end a run from outside: a cancel, a time limit, another controller. Asked between steps of at most a second."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from blocks.errors import ChimineyError, LeaseLost, RunCancelled, RunFailed
from flows.interrupt import Interrupt
from flows.ledger import Lease

HEARTBEAT_SECONDS = 2.0


class Control:
    """Keeps the lease of a run while its controller is at work, and tells it when to stop."""

    def __init__(
        self, lease: Lease, asked_elsewhere: Callable[[], bool] = lambda: False, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Begin to keep it; ``meanwhile`` is called with each heartbeat."""
        self.interrupt = Interrupt(signal.default_int_handler)  # until another one may be heard
        self._lease = lease
        self._meanwhile = meanwhile
        self._asked_elsewhere = asked_elsewhere
        self._stop = threading.Event()
        self._settled = False
        self._lock = threading.Lock()  # between what settles and what cancels
        self._reason: ChimineyError | None = None
        self._deadlines: list[tuple[float, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def limit(self, seconds: float, what: str) -> Callable[[], None]:
        """Fail when ``what`` takes longer than so many seconds (0: no limit); call the answer when it is over."""
        deadline = (time.monotonic() + seconds, f"the {what} took longer than its limit of {seconds:g} s")
        if seconds:
            self._deadlines.append(deadline)
        return lambda: self._deadlines.remove(deadline) if seconds else None

    def check(self) -> None:
        """Go on, or not.

        Raises:
            RunCancelled, LeaseLost: as the word says; RunFailed: a time limit was passed.
        """
        if self.interrupt.is_heard:
            self._cancel("the run was interrupted")
        if self._reason is not None:
            raise self._reason
        for deadline, message in self._deadlines:
            if time.monotonic() > deadline:
                raise RunFailed(message)

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than the run is to go on."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            self._stop.wait(min(left, 1.0))
        self.check()

    def settle(self) -> None:
        """The end has begun: a cancel or a time limit no longer interrupts, the lease is still kept."""
        self._deadlines.clear()
        with self._lock:
            self._settled = True
            if not isinstance(self._reason, LeaseLost):
                self._reason = None
                self._stop.clear()
        self._asked_elsewhere = lambda: False

    def close(self) -> None:
        """Stop keeping the lease."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            for act in (self._heed_ledger, self._heed_elsewhere, self._meanwhile):
                try:
                    act()
                except LeaseLost as error:
                    with self._lock:
                        self._reason = error
                        self._stop.set()
                    return
                except Exception:  # noqa: BLE001 -- whatever fails now may work with the next beat: the lease outlives many
                    continue

    def _heed_ledger(self) -> None:
        if self._lease.renew():
            self._cancel("the run was cancelled")

    def _heed_elsewhere(self) -> None:
        if self._asked_elsewhere():
            self._cancel("the run was cancelled")

    def _cancel(self, reason: str) -> None:
        with self._lock:
            if not self._settled and self._reason is None:
                self._reason = RunCancelled(reason)
                self._stop.set()
