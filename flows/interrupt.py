"""Ctrl-C while a run is coming to its end: what is being cleaned up and written is not broken off by it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def borne_once() -> Generator[None]:
    """Let whoever handles a first Ctrl-C tell of it, but go on; a second one is as anywhere else.

    Only in the main thread, where Python raises what an interrupt raises.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    tell = handler

    def bear(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, tell)
        with suppress(KeyboardInterrupt):
            tell(number, frame)

    signal.signal(signal.SIGINT, bear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, tell)
