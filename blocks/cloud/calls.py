"""Calls of a provider's API through libcloud: repeated after faults that pass, and failing in sentences."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import InvalidCredsError, LibcloudError, MalformedResponseError

from blocks.errors import AuthenticationRefused, CommandFailed, Refused, ResourceError, Unreachable

Answer = TypeVar("Answer")

TIMEOUT = 30.0  # seconds of one request
PATIENCE = 90.0  # seconds in which a call is repeated
_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 8.0  # seconds
_PASSING = re.compile(r"RequestLimitExceeded|Throttl|ServiceUnavailable|InternalError|Unavailable\b|RequestTimeout|Rate limit")
_LASTING = re.compile(r"Insufficient\w*Capacity|InsufficientFreeAddresses|LimitExceeded: |Unsupported")
_TOO_MANY, _SERVER_FAULT = 429, 500


def patiently(call: Callable[[], Answer], provider: str, patience: float = PATIENCE) -> Answer:
    """What a call answers, however often it has to be repeated.

    Raises:
        AuthenticationRefused: the credentials are not accepted.
        Refused: the provider will not do it, in its own words.
        Unreachable: it could not be asked, or had no time, for as long as ``patience`` (seconds) lasted.
        CommandFailed: its answer can't be understood.
    """
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except ResourceError:
            raise
        except Exception as error:
            sentence = _sentence(error, provider)
            if not isinstance(sentence, Unreachable) or time.monotonic() + pause > deadline:
                raise sentence from error
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _sentence(error: Exception, provider: str) -> ResourceError:
    """What an exception of libcloud, or of the libraries below it, says."""
    words = said(error)
    match error:
        case InvalidCredsError():
            return AuthenticationRefused(f"{provider} does not accept the credentials ({words}); check them, and the region")
        case BaseHTTPError():
            return _of_answer(int(error.code or 0), words, provider)
        case MalformedResponseError():
            return Unreachable(f"{provider} gave an answer that can't be understood; check the address of its API")
        case requests.exceptions.SSLError():
            return CommandFailed(f"the certificate of {provider} can't be verified ({words}); name its authority in the credentials")
        case requests.exceptions.RequestException() | OSError():
            return Unreachable(f"{provider} does not answer ({words})")
        case LibcloudError():
            return Refused(f"{provider}: {words}")
        case _:
            raise error  # our own mistake, or libcloud's


def _of_answer(code: int, words: str, provider: str) -> ResourceError:
    passing = code == _TOO_MANY or code >= _SERVER_FAULT or _PASSING.search(words)
    if passing and not (_LASTING.search(words) and not _PASSING.search(words)):
        return Unreachable(f"{provider} is too busy or out of order: {words or code}")
    if code == 401:  # noqa: PLR2004 -- RFC 9110
        return AuthenticationRefused(f"{provider} does not accept the credentials ({words}); check them")
    return Refused(f"{provider}: {words or f'it answered with {code}'}")


def said(error: Any) -> str:
    """The words of an exception, in one line."""
    text = str(getattr(error, "message", "") or getattr(error, "value", "") or error)
    return " ".join(text.split())[:500]
