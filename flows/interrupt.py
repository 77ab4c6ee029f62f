"""Ctrl-C while a controller is at work: it is heard, and the controller stops at a moment of its own.

Python would raise it between any two steps of the main thread: with threads half begun, or with hosts half let go.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


class Interrupt:
    """The first is told to whoever handled it so far, who may say so, and is heard; a second is as anywhere else."""

    def __init__(self, handler: Handler) -> None:
        self.is_heard = False
        self._handler = handler
        self._is_raised = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        is_first, self.is_heard = not self.is_heard, True
        try:
            self._handler(number, frame)
        except KeyboardInterrupt:
            if self._is_raised or not is_first:
                raise

    @contextmanager
    def at_once(self) -> Generator[None]:
        """Raise the first one too, inside: for long work that does not ask whether to go on."""
        self._is_raised = True
        try:
            if self.is_heard:
                raise KeyboardInterrupt
            yield
        finally:
            self._is_raised = False


def is_pressed() -> bool:
    """Whether the first one was heard by whoever hears it now."""
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, Interrupt) and handler.is_heard


@contextmanager
def too_late_when(is_over: Callable[[], bool]) -> Generator[None]:
    """Pass over the first one that comes when all is over, so that what came of it is told; a second is as anywhere else."""
    handler, has_passed = signal.getsignal(signal.SIGINT), False
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_over(number: int, frame: FrameType | None) -> None:
        nonlocal has_passed
        if is_over() and not has_passed:
            has_passed = True
        else:
            handler(number, frame)

    signal.signal(signal.SIGINT, pass_over)
    try:
        yield
    finally:
        has_passed = True  # another call in the same loop may go on with this handler below its own
        if signal.getsignal(signal.SIGINT) is pass_over:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def heard() -> Generator[Interrupt]:
    """Hear the first one in the place of raising it, where it would be raised: in the main thread."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, Interrupt) and threading.current_thread() is threading.main_thread():
        yield handler  # of whoever called this one
    elif not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield Interrupt(signal.default_int_handler)  # which nobody calls
    else:
        interrupt = Interrupt(handler)
        signal.signal(signal.SIGINT, interrupt)
        try:
            yield interrupt
        finally:
            signal.signal(signal.SIGINT, handler)
