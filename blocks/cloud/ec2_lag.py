"""EC2 answers from copies that lag behind each other: what was made a moment ago may not be known to all of them yet."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from blocks.errors import Refused

LAG_SECONDS = 60.0  # after which a thing is known, or never will be
_PAUSE = 1.0  # seconds
_UNKNOWN = re.compile(
    r"Invalid(Group|InstanceID|KeyPair|Volume|AllocationID)\.NotFound|Key pair with name \S+ does not exist"
)  # libcloud's words

_Answer = TypeVar("_Answer")


def once_known(call: Callable[[], _Answer]) -> _Answer:
    """What a call gives that names things of our own making, as soon as EC2 knows them all.

    Raises:
        Refused: it does not know them after a minute, or refuses the call for another reason.
    """
    deadline = time.monotonic() + LAG_SECONDS
    while True:
        try:
            return call()
        except Refused as error:
            if not _UNKNOWN.search(str(error)) or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)
