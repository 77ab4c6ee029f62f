"""Ctrl-C in the middle of what has to be done as a whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupted_later() -> Generator[None]:
    """Hold a Ctrl-C back until this is over; only the main thread is interrupted by one."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    is_pressed = False

    def press(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_pressed
        is_pressed = True

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if is_pressed:
            signal.raise_signal(signal.SIGINT)
