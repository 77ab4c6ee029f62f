"""Calls of a provider's API through libcloud: repeated after faults that pass, and failing in sentences."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import requests
from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import InvalidCredsError, LibcloudError, MalformedResponseError

from blocks.errors import AuthenticationRefused, InvalidRequest, Refused, ResourceError, Unreachable
from blocks.patience import Patience, Unreached
from blocks.tls import insecure

TIMEOUT = 30.0  # seconds of one request
_TRUST = "in the setting authority_file, where the credentials have it, or as one that this machine trusts"
_PASSING = re.compile(r"RequestLimitExceeded|Throttl")  # EC2 says so with other codes too
_OF_AN_IMAGE = re.compile(r"OptInRequired|Not authorized for")  # one that is private, or of which the terms were not accepted
_LASTING = re.compile(r"Insufficient\w*Capacity|InsufficientFreeAddresses")  # what EC2 says with the code of a server's fault
_EXPIRED = re.compile(r"RequestExpired|ExpiredToken")  # of credentials that hold for some hours; with status 400
_UNAUTHORIZED, _TOO_MANY, _SERVER_FAULT = 401, 429, 500  # RFC 9110, RFC 6585


class Account:
    """Drivers of libcloud for one account. A driver serves one call at a time, so there are as many as calls at once.

    Args:
        name: of the account, for people.
        driver: makes one, with the credentials as they are at the time.
    """

    def __init__(self, name: str, driver: Callable[[], Any]) -> None:
        self.name = name
        self._make = driver
        self._idle: list[Any] = []
        self._patience = Patience(is_lasting=True)  # machines that could not be released would cost money

    def ask(self, method: str, *given: Any, **named: Any) -> Any:
        """What a method of the driver answers. Raises what ``carry_out`` does."""
        return self.carry_out(lambda driver: getattr(driver, method)(*given, **named))

    def carry_out(self, call: Callable[[Any], Any]) -> Any:
        """What comes of calls of a driver, however often they have to be repeated.

        Raises:
            AuthenticationRefused: the credentials are not accepted.
            Refused: the provider will not do it, in its own words.
            Unreachable: it could not be asked, or had no time, for as long as there is patience.
            CommandFailed: its answer can't be understood.
        """
        return self._patience(lambda: self._once(call))

    def _once(self, call: Callable[[Any], Any]) -> Any:
        try:
            idle = self._idle.pop()
        except IndexError:
            return self._with(self._new, call)
        try:
            return self._with(lambda: idle, call)
        except AuthenticationRefused:
            self._idle.clear()
            return self._with(self._new, call)  # its credentials may have been others, or have expired since

    def _new(self) -> Any:
        try:
            return self._make()
        except InvalidRequest as error:  # where they are written, they are no more
            raise AuthenticationRefused(f"there are no credentials for {self.name} any more: {error}") from error

    def _with(self, given: Callable[[], Any], call: Callable[[Any], Any]) -> Any:
        try:
            driver = given()
            answer = call(driver)
        except ResourceError:
            raise
        except Exception as error:  # noqa: BLE001 -- what is not known is raised as it is
            # The request is left out: it may hold the host key of a machine.
            raise _sentence(error, self.name) from None
        self._idle.append(driver)
        return answer


def _sentence(error: Exception, provider: str) -> Exception:  # noqa: PLR0911 -- one for each kind
    """What an exception of libcloud, or of the libraries below it, says."""
    match error:
        case InvalidCredsError() if _OF_AN_IMAGE.search(said(error)):  # libcloud takes it for one about the credentials
            return Refused(f"{provider}: {said(error)}")
        case InvalidCredsError():
            return AuthenticationRefused(
                f"{provider} does not accept the credentials ({said(error)}); "
                "check them, where they are for, and this machine's clock"
            )
        case BaseHTTPError():
            return _of_answer(int(cast(Any, error).code or 0), said(error), provider)
        case MalformedResponseError():
            return Unreachable(f"{provider} gave an answer that can't be understood; check the address of its API")
        case requests.exceptions.SSLError():
            return insecure(provider, error, trust=_TRUST) or _unreached(provider)
        case requests.exceptions.Timeout():
            return Unreachable(f"{provider} did not answer in {TIMEOUT:g} s")
        case requests.exceptions.RequestException() | OSError():
            return _unreached(provider)
        case LibcloudError():
            return Refused(f"{provider}: {said(error)}")
        case _:
            return error  # our own mistake, or libcloud's


def _unreached(provider: str) -> Unreached:
    return Unreached(f"{provider} can't be reached; check the address of its API, and the network")


def _of_answer(code: int, words: str, provider: str) -> ResourceError:
    if (code == _TOO_MANY or code >= _SERVER_FAULT or _PASSING.search(words)) and not _LASTING.search(words):
        return Unreachable(f"{provider} is busy or out of order: {words or f'it answered with {code}'}")
    if code == _UNAUTHORIZED or _EXPIRED.search(words):
        return AuthenticationRefused(f"{provider} does not accept the credentials ({words}); check them")
    return Refused(f"{provider}: {words or f'it answered with {code}'}")


def said(error: Any) -> str:
    """The words of an exception, in one line."""
    text = str(getattr(error, "message", "") or getattr(error, "value", "") or error)
    return " ".join(text.split())[:500]
