"""A disk that is full for this process: no file can grow, as the limit of its size is what it has already."""

from __future__ import annotations

import resource
from collections.abc import Generator
from contextlib import contextmanager


def fill() -> None:
    """From now on no file can be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def free() -> None:
    """There is room again."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def full_disk() -> Generator[None]:
    """The disk is full for a while."""
    fill()
    try:
        yield
    finally:
        free()
