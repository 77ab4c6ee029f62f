"""What a test does beside a run, in threads that end with the test and whose errors are its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE = 250.0  # seconds for what is being done when the test ends

_threads: list[_Watcher] = []


class _Watcher(threading.Thread):
    """Acts as soon as it is so, unless the test is over before. ``error`` is what either of them raised."""

    def __init__(self, is_so: Callable[[], object], act: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self.is_over = threading.Event()
        self._is_so, self._act = is_so, act

    def run(self) -> None:
        try:
            while not self._is_so():
                if self.is_over.wait(0.05):
                    return
            self._act()
        except BaseException as error:  # noqa: BLE001 -- for the test to raise
            self.error = error


def when(is_so: Callable[[], object], act: Callable[[], object]) -> threading.Thread:
    """Do something as soon as it is so, while a run goes on."""
    watcher = _Watcher(is_so, act)
    _threads.append(watcher)
    watcher.start()
    return watcher


def end() -> None:
    """The test is over: wait for what is being done, and raise the first error."""
    ended = list(_threads)
    _threads.clear()
    for watcher in ended:
        watcher.is_over.set()
    for watcher in ended:
        watcher.join(PATIENCE)
        if watcher.error:
            raise watcher.error
        assert not watcher.is_alive(), "what a test does beside its run has not ended with it"
