"""Threads that do pieces of work at the same time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self, TypeVar

_T = TypeVar("_T")
PAUSE = 10.0  # seconds


class Team:
    """Pieces of work in other threads, of which a few wait at most; they begin in the order in which they were given."""

    def __init__(self, at_once: int, ahead: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Nothing runs yet.

        Args:
            at_once: how many threads there are.
            ahead: pieces of work that wait or run; with their content, this bounds the memory.
            meanwhile: called, by who waits for the work, before each piece and every few seconds.
        """
        self._threads = ThreadPoolExecutor(at_once, "storage")
        self._ahead = ahead
        self._room = threading.Semaphore(ahead)
        self._failure: BaseException | None = None
        self._meanwhile = meanwhile

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.dismiss()

    def begin(self, work: Callable[[], _T]) -> Future[_T]:
        """Do it soon. Waits while there is too much to do; raises what failed before."""
        self._meanwhile()
        self._wait_for_room()
        if self._failure is not None:
            self._room.release()
            raise self._failure
        future = self._threads.submit(work)
        future.add_done_callback(self._done)
        return future

    def finish(self) -> None:
        """Wait until everything is done; raises what failed."""
        for _ in range(self._ahead):
            self._wait_for_room()
        self._room.release(self._ahead)
        if self._failure is not None:
            raise self._failure

    def dismiss(self) -> None:
        """Leave out what has not begun, and wait for the rest."""
        self._threads.shutdown(cancel_futures=True)

    def _wait_for_room(self) -> None:
        while not self._room.acquire(timeout=PAUSE):
            self._meanwhile()

    def _done(self, future: Future[_T]) -> None:
        if not future.cancelled() and self._failure is None:
            self._failure = future.exception()
        self._room.release()
