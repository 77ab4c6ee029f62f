"""What goes wrong with object stores, in sentences, whichever protocol they speak."""

from __future__ import annotations

from blocks.errors import CommandFailed, NotFound, ResourceError, Unreachable
from blocks.patience import Damaged, Unreached

TIMEOUT = 60.0  # seconds without a byte
CONNECT_TIMEOUT = 10.0  # seconds
_PASSING = {408, 425, 429, 498}  # RFC 9110, RFC 8470, RFC 6585, Swift's ratelimit
_UNKNOWN = 501  # of what a store can't do, and never will
_SERVER_FAULT = 500


def damaged(key: str) -> Damaged:
    """Content did not arrive as it was sent."""
    return Damaged(f"{key} was damaged on the way; please try again, and look at the network if that does not help")


def changed(key: str) -> CommandFailed:
    """Content is another than it was a moment ago."""
    return CommandFailed(f"{key} changed while it was read")


def refusal(name: str, key: str, status: int, words: str) -> ResourceError:
    """What an answer's status says that no code of the protocol tells better."""
    told = f" ({words})" if words else ""
    match status:
        case 404:
            return NotFound(f"{key} is not there in {name}; please check the path")
        case 412:
            return changed(key)
        case 413 | 507:
            return full(name, words)
        case 401 | 403:
            return CommandFailed(f"{key}: {name} gives no permission{told}; check the credentials, and what they may do there")
        case _ if status in _PASSING or (status >= _SERVER_FAULT and status != _UNKNOWN):
            return Unreachable(f"{name} is busy or out of order: {words or f'it answered with {status}'}")
        case _:
            return CommandFailed(f"{key}: {name} refused it: {words or f'it answered with {status}'}")


def full(name: str, words: str) -> CommandFailed:
    """Nothing more can be stored."""
    told = f" ({words})" if words else ""
    return CommandFailed(f"{name} is full{told}; please free some space, raise the quota, or choose another storage")


def unreached(name: str) -> Unreached:
    """Nobody is at its address."""
    return Unreached(f"{name} can't be reached; check the endpoint, and the network")


def unanswered(name: str) -> Unreached:
    """Somebody took the request, and no answer came."""
    return Unreached(
        f"the connection to {name} broke, or it did not answer in {TIMEOUT:g} s; please try again, and if it never answers, "
        "check the endpoint, such as whether it has to begin with http or https"
    )
