"""What an endpoint does instead of answering as it should."""

from __future__ import annotations

import threading
from dataclasses import dataclass

ANY_ACTION = "*"


@dataclass(slots=True)
class Fault:
    """Happens ``times`` times (None: until healed), at every ``every``-th call of the action.

    Attributes:
        kind: ``error`` (refused with code and status), ``lost`` (carried out, then the connection is cut) or ``hang``.
    """

    kind: str
    action: str = ANY_ACTION
    times: int | None = 1
    every: int = 1
    code: str = ""
    status: int = 503
    calls: int = 0

    def strikes(self, action: str) -> bool:
        """Whether this call of the action is one that goes wrong."""
        if self.action not in {ANY_ACTION, action} or self.times == 0:
            return False
        self.calls += 1
        if self.calls % self.every:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The faults that an endpoint has at present."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._healed = threading.Event()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def heal(self) -> None:
        """Have no fault any more; calls that hang end, without an answer."""
        with self._lock:
            self._faults.clear()
            self._healed.set()
            self._healed = threading.Event()

    def next(self, action: str) -> Fault | None:
        """What goes wrong with this call."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(action)), None)

    def wait_until_healed(self) -> None:
        with self._lock:
            healed = self._healed
        healed.wait()
