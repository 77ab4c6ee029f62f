"""Requests of Swift's own protocol, and how somebody logs in to it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from libcloud.common.openstack_identity import OpenStackServiceCatalog
from pydantic import SecretStr

from blocks.cloud.calls import Account
from blocks.cloud.openstack_login import OpenStackLogin
from blocks.errors import AuthenticationRefused, CommandFailed
from blocks.patience import Patience
from blocks.storage.object_clock import Clock
from blocks.storage.object_refusals import CONNECT_TIMEOUT, TIMEOUT, damaged, refusal, unanswered, unreached
from blocks.storage.object_store import AT_ONCE
from blocks.tls import insecure, trusting
from blocks.tree import BLOCK

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _DAMAGED, _SERVER_FAULT = 401, 403, 404, 422, 500


@dataclass(frozen=True, slots=True)
class Token:
    """What logging in gives: a token, and the URL of the account."""

    text: str
    url: str


LogIn = Callable[["SwiftClient"], Token]


class SwiftClient:
    """Requests to one account, which logs in when it has to; repeated after faults that pass, and failing in sentences."""

    def __init__(self, name: str, log_in: LogIn, authority_file: str) -> None:
        """Nothing is sent yet. Raises InvalidRequest: no certificate is in the file."""
        self.name = name
        self.clock = Clock()
        self._log_in = log_in
        self._token: Token | None = None
        self._logging_in = threading.Lock()
        self.patience = Patience()
        timeout = httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT)
        limits = httpx.Limits(max_connections=2 * AT_ONCE)
        trusted = trusting(authority_file) if authority_file else ssl.create_default_context()
        self._client = httpx.Client(timeout=timeout, limits=limits, verify=trusted)

    def ask(
        self,
        method: str,
        container: str,
        key: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        check: Callable[[httpx.Response], None] | None = None,
    ) -> httpx.Response:
        """The answer to a request about an object, or, without a key, about a container."""

        def once() -> httpx.Response:
            answer = self._authorized(method, container, key, dict(headers or {}), params, content)
            if answer.is_success:
                if check is not None:
                    check(answer)
                return answer
            if answer.status_code == _DAMAGED:
                raise damaged(key)
            if answer.status_code == _NOT_FOUND and (not key or method == "PUT"):
                raise CommandFailed(f"there is no container {container} in {self.name}; check its name, or make it first")
            raise refusal(self.name, key or container, answer.status_code, _words(answer))

        return self.patience(once)

    def send(self, method: str, url: str, **given: Any) -> httpx.Response:
        """One request to any address, and its answer whatever that is.

        Raises:
            Unreachable, CommandFailed: there is none.
        """
        try:
            answer = self._client.request(method, url, **given)
        except httpx.ConnectError as error:
            raise (insecure(self.name, error, setting="endpoint") or unreached(self.name)) from None
        except httpx.ConnectTimeout:
            raise unreached(self.name) from None
        except httpx.TransportError:
            raise unanswered(self.name) from None
        self.clock.hear(answer.headers.get("date", ""))
        answer.stream = httpx.ByteStream(b"")  # the one that was read refers to the answer, which would wait for the collector
        return answer

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _authorized(
        self,
        method: str,
        container: str,
        key: str,
        headers: dict[str, str],
        params: Mapping[str, str] | None,
        content: bytes | None,
    ) -> httpx.Response:
        """The answer to a request with a token; one that is too old is replaced."""
        used = None
        while True:
            token = self._fresh_token(used)
            url = f"{token.url}/{quote(container, safe='')}" + (f"/{quote(key)}" if key else "")
            known = {**headers, "X-Auth-Token": token.text}
            if content is not None:
                known["Content-Length"] = str(len(content))
            blocks = _blocks(content) if content is not None else None
            answer = self.send(method, url, headers=known, params=params, content=blocks)
            if answer.status_code != _UNAUTHORIZED:
                return answer
            if used is not None:
                raise AuthenticationRefused(f"{self.name} does not accept the token that it gave; check the credentials")
            used = token

    def _fresh_token(self, used: Token | None) -> Token:
        with self._logging_in:
            if self._token is None or self._token is used:
                self._token = self._log_in(self)
            return self._token


def _blocks(content: bytes) -> Iterator[bytes]:
    """Content in blocks, for the whole of it would be copied once more on its way out."""
    for offset in range(0, len(content), BLOCK):
        yield content[offset : offset + BLOCK]


def log_in_by_key(auth_url: str, user: str, key: SecretStr) -> LogIn:
    """How to log in by version 1 of Swift's own authentication."""

    def log_in(client: SwiftClient) -> Token:
        answer = client.send("GET", auth_url, headers={"X-Auth-User": user, "X-Auth-Key": key.get_secret_value()})
        if answer.status_code in {_UNAUTHORIZED, _FORBIDDEN}:
            raise AuthenticationRefused(f"{client.name} does not accept the access key with its secret; check them")
        if answer.status_code >= _SERVER_FAULT:
            raise refusal(client.name, auth_url, answer.status_code, "")
        if not answer.is_success or "x-storage-url" not in answer.headers:
            raise CommandFailed(f"{client.name} is not where Swift's authentication, version 1, is; check the endpoint")
        return Token(answer.headers["x-auth-token"], _as_safe(auth_url, answer.headers["x-storage-url"].rstrip("/")))

    return log_in


def _as_safe(auth_url: str, url: str) -> str:
    """The URL of an account, which is as well encrypted as the way to it.

    Raises:
        CommandFailed: it is not.
    """
    if auth_url.startswith("https:") and not url.startswith("https:"):
        raise CommandFailed(
            f"{auth_url} says that its object store is at {url}, where the token and all data would pass unencrypted; ask its "
            "operator for an address that begins with https"
        )
    return url


def log_in_by_keystone(login: OpenStackLogin, region: str) -> LogIn:
    """How to log in to an OpenStack cloud, which knows where its object store is."""

    def token_of(driver: Any) -> Token:
        identity = driver.connection.get_auth_class().authenticate(force=True)
        catalogue: Any = OpenStackServiceCatalog(identity.urls, "3.x")
        found = [each for each in catalogue.get_endpoints(service_type="object-store") if each.endpoint_type == "external"]
        wanted = region or login.region
        urls = [str(each.url) for each in found if not wanted or each.region == wanted]
        if not urls:
            raise CommandFailed(
                f"{login.place} has no object store{f' in the region {wanted}' if wanted else ''}; check the region"
            )
        return Token(str(identity.auth_token), _as_safe(login.auth_url, urls[0].rstrip("/")))

    account = Account(login.place, login.driver)
    return lambda _client: account.carry_out(token_of)


def _words(answer: httpx.Response) -> str:
    text = answer.text.removeprefix("<html><h1>").replace("</h1><p>", ": ").replace("</p></html>", "")
    return " ".join(text.split())[:300]
