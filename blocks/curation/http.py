"""Requests to the REST API of a repository: repeated after faults that pass, and failing in sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator

from blocks.errors import AuthenticationRefused, CommandFailed, NotFound, ResourceError, Unreachable
from blocks.patience import Patience, Unreached
from blocks.tls import insecure, trusting

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # seconds without a byte
_DIGESTION = httpx.Timeout(60.0, connect=10.0, read=1800.0)  # the same where it first stores, unpacks and sums what it was sent
_PASSING = {408, 425, 429, 503}  # RFC 9110, RFC 6585, RFC 8470
_GIVEN_UP = {502, 504}  # by a gateway, while what is behind it may go on with the request
_MOST_WORDS = 300
_WORDS = ("message", "error_message", "error")  # what is for people in an answer: the last two are tastypie's
_LONGEST_SCHEME = 7  # letters of Bearer, ApiKey and so on, which are no secrets
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_OPEN = {"accept", "content-type", "user-agent"}  # headers without a secret

Answer = TypeVar("Answer")


def is_safe(url: str) -> bool:
    """Whether a secret may be sent to an address: it is encrypted on its way, or does not leave this machine."""
    parts = urlsplit(url)
    is_here = _LOOPBACK.fullmatch(parts.hostname or "") is not None
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_here))


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("must be without user and password, which have settings of their own")
    if not is_safe(url):
        raise ValueError("must be an address that begins with https://, for a secret is sent there")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]  # of a repository's front page


class Unanswered(Unreachable):
    """The request was made, and nobody knows what becomes of it."""


def document(answer: httpx.Response) -> Any:
    """The object that a JSON answer is; what is asked of it and not there is told like an answer that is none.

    Raises:
        CommandFailed: it is none.
    """
    try:
        told: object = answer.json(object_hook=partial(_Members, answer))
    except ValueError as error:
        raise misunderstood(answer, "it is no JSON") from error
    if not isinstance(told, _Members):
        raise misunderstood(answer, "it is no object")
    return told


def misunderstood(answer: httpx.Response, why: str) -> CommandFailed:
    """The error for an answer that a repository of this kind would not give: another service is at the address."""
    host, asked = answer.request.url.host, f"{answer.request.method} {answer.request.url.path}"
    return CommandFailed(f"{host} answered {asked} as no such repository does ({why}); check its address, that of its front page")


class _Members(dict[str, Any]):
    """An object of an answer, from which nothing can be taken that is not there."""

    def __init__(self, answer: httpx.Response, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self._answer = answer

    def __missing__(self, name: str) -> Any:
        raise misunderstood(self._answer, f"there is no {name!r}")


class Repository:
    """One repository's API at a base address.

    A request that changes something must be safe to repeat, or be made with ``repeat=False``: then a fault is told at once,
    and the caller looks what became of it. What ``secrets`` and the headers hold is never told in its words.
    """

    def __init__(
        self, name: str, url: str, *, headers: Mapping[str, str], secrets: Iterable[str] = (), authority_file: str = ""
    ) -> None:
        self.name = name
        self._client = httpx.Client(
            base_url=url,
            headers={"User-Agent": f"chiminey/{version('chiminey')}", **headers},  # some refuse those of HTTP libraries
            timeout=_TIMEOUT,
            verify=trusting(authority_file) if authority_file else True,
            follow_redirects=False,
        )
        self._patience = Patience()
        words = [word for header, value in headers.items() if header.lower() not in _OPEN for word in value.split()]
        self._secrets = [*(word for word in words if len(word) > _LONGEST_SCHEME), *filter(None, secrets)]
        self._has_answered = False

    def ask(self, method: str, path: str, *, repeat: bool = True, accept: tuple[int, ...] = (), **given: Any) -> httpx.Response:
        """The answer to a request: a success, or one of the statuses that are accepted besides.

        ``given`` is what httpx takes: ``json``, ``params``, ``files``, ``content`` and so on; where it is a function it is
        called for each attempt, for a stream can be read only once.

        Raises:
            Unreachable: the repository could not be asked, or had no time, for as long as there is patience.
            AuthenticationRefused, NotFound, CommandFailed: it refuses, in its own words.
        """
        if not repeat:
            return self._once(method, path, accept, given)
        return self.insist(lambda: self._once(method, path, accept, given))

    def insist(self, act: Callable[[], Answer]) -> Answer:
        """What ``act`` gives, which is done again while the repository is away: several requests that belong together.

        Raises:
            Unreachable: it still was when patience ended.
        """
        return self._patience(act)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _once(self, method: str, path: str, accept: tuple[int, ...], given: Mapping[str, Any]) -> httpx.Response:
        made: dict[str, Any] = {key: value() if callable(value) else value for key, value in given.items()}
        try:
            timeout = _DIGESTION if {"content", "files"} & made.keys() else _TIMEOUT
            answer = self._client.request(method, path, timeout=timeout, **made)
        except httpx.TimeoutException as error:
            kind = Unanswered if isinstance(error, httpx.ReadTimeout) else Unreachable  # only then all was sent
            raise self._fault(kind, error, f"{self.name} did not answer in time") from error
        except httpx.LocalProtocolError as error:
            words = _without(self._secrets, str(error))
            raise CommandFailed(f"{self.name} can't be asked for {method} {path} ({words})") from None  # it has all that was sent
        except httpx.TransportError as error:
            if isinstance(error, httpx.ConnectError) and (fault := insecure(self.name, error)) is not None:
                raise fault from error
            words = _without(self._secrets, str(error))
            raise self._fault(Unreachable, error, f"{self.name} can't be reached ({words})") from error
        self._has_answered = True
        if answer.is_success or answer.status_code in accept:
            return answer
        raise _refusal(self.name, answer, self._secrets)

    def _fault(self, kind: type[Unreachable], error: httpx.TransportError, words: str) -> Unreachable:
        """The error for a request without an answer. Where there never was one, the address is more likely to blame."""
        was_there = self._has_answered and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return (kind if was_there else Unreached)(f"{words}; check its address, and the network")


def _is_page(answer: httpx.Response) -> bool:
    return answer.text.lstrip().startswith("<")


def _message(answer: httpx.Response) -> str:
    """The words for people in an answer that is JSON; nothing of a page for browsers or of XML."""
    if _is_page(answer):
        return ""
    try:
        told: object = answer.json()
    except ValueError:
        return answer.text
    members = cast(dict[str, object], told) if isinstance(told, dict) else {}
    if "errors" in members:
        return answer.text
    told_words = (members.get(name) for name in _WORDS)
    return next((words for words in told_words if isinstance(words, str) and words), answer.text)


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "...")
    return text


def _refusal(name: str, answer: httpx.Response, secrets: Sequence[str]) -> ResourceError:
    text = _without(secrets, " ".join(_message(answer).split()))  # some repeat in their answer what they did not like
    words = text[:_MOST_WORDS] or f"it answered with {answer.status_code}"
    match answer.status_code:
        case 401 | 403:
            asking = ", and ask its people whether something before it keeps programs out" if _is_page(answer) else ""
            return AuthenticationRefused(
                f"{name} does not accept the credentials, or does not allow it ({words}); check them{asking}"
            )
        case 404 | 410:
            return NotFound(f"{name} does not have {answer.request.url.path} ({words}); check its address, and what is asked for")
        case 301 | 302 | 307 | 308:
            return CommandFailed(f"{name} is elsewhere, at {answer.headers.get('location')}; give that as its address")
        case 413 | 507:
            return CommandFailed(f"{name} has no room for so much ({words}); ask its people for more, or send less")
        case code if code in _PASSING | _GIVEN_UP:
            kind = Unanswered if code in _GIVEN_UP else Unreachable
            return kind(f"{name} is busy or out of order: {words}")
        case _:
            return CommandFailed(f"{name} refused {answer.request.method} {answer.request.url.path}: {words}")
