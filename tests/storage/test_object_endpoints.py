"""An endpoint at which there is another server than it should be, or that is reached in another way, is told as such."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from werkzeug.wrappers import Request, Response

from blocks.errors import CommandFailed, Unreachable
from blocks.storage import ObjectStorage
from tests.servers.certificate import self_signed
from tests.servers.proxy import Proxy
from tests.servers.swift import Swift
from tests.servers.web import serving
from tests.storage.object_storages import PROTOCOLS, by_s3, with_settings

PAGE = "<!doctype html>\n<html><head><title>Welcome</title></head><body><p>Hello</body></html>"
STRANGERS = {
    "one that knows no such page": Response('{"detail":"Not Found"}', 404, content_type="application/json"),
    "one that knows no such page, and says so in one": Response(PAGE, 404, content_type="text/html"),
    "one with a page for everything": Response(PAGE, 200, content_type="text/html"),
    "one whose pages are XML": Response("<html><body/></html>", 200, content_type="text/html"),
    "one that speaks JSON": Response('{"state":"fine"}', 200, content_type="application/json"),
    "one that has nothing to say": Response(b"", 200),
}


@pytest.fixture(params=PROTOCOLS)
def storage(request: pytest.FixtureRequest, swift: Swift) -> Iterator[ObjectStorage]:
    storage = PROTOCOLS[request.param](swift)
    yield storage
    storage.close()


@pytest.fixture
def proxy(swift: Swift) -> Iterator[Proxy]:
    proxy = Proxy(int(swift.endpoint.rpartition(":")[2]))
    yield proxy
    proxy.stop()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path)


@pytest.fixture
def encrypted(swift: Swift, authority: tuple[Path, Path]) -> Iterator[Proxy]:
    """The way to Swift, encrypted."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority)
    proxy = Proxy(int(swift.endpoint.rpartition(":")[2]), tls)
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("stranger", STRANGERS)
def test_another_server_is_told_as_such_at_once(stranger: str) -> None:
    asked: list[str] = []

    @Request.application
    def answer(request: Request) -> Response:
        asked.append(request.url)
        return STRANGERS[stranger]

    with serving(answer) as url:
        storage = ObjectStorage(endpoint=url, bucket="box", access_key="AKIA", secret_key=SecretStr("Open-Sesame-1"))
        for act in (storage.check, lambda: storage.list("x"), lambda: storage.read("x"), lambda: storage.write("x", b"")):
            asked.clear()
            with pytest.raises(CommandFailed, match=r"^http://.* does not answer as S3 does; check the endpoint$"):
                act()
            assert len(asked) <= 2  # also for uploads that were left, where it may not be allowed
        storage.close()


def test_an_endpoint_that_is_not_encrypted_is_told_as_such(storage: ObjectStorage) -> None:
    wrong = with_settings(storage, endpoint=storage.endpoint.replace("http:", "https:"))
    with pytest.raises(
        CommandFailed, match=r"answers without encryption .*; look at the port .* whether it has to begin with http"
    ):
        wrong.list("")
    wrong.close()


def test_a_certificate_with_another_name_is_told_with_the_reason(
    storage: ObjectStorage, encrypted: Proxy, authority: tuple[Path, Path]
) -> None:
    wrong = with_settings(storage, endpoint=f"https://localhost:{encrypted.port}/auth/v1.0", authority_file=str(authority[0]))
    with pytest.raises(CommandFailed, match=r"can't be verified \(.*localhost.*\); write its host in the endpoint"):
        wrong.list("")
    wrong.close()


def test_an_encrypted_connection_that_breaks_while_it_is_made_is_made_again(
    swift: Swift, encrypted: Proxy, authority: tuple[Path, Path]
) -> None:
    beyond = with_settings(by_s3(swift), endpoint=f"https://127.0.0.1:{encrypted.port}", authority_file=str(authority[0]))
    encrypted.hang_up(times=2)
    assert beyond.list("") == []
    beyond.close()


def test_an_endpoint_that_only_hangs_up_is_doubted_soon(
    storage: ObjectStorage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.patience.DOUBT", 1.0)
    monkeypatch.setattr("blocks.patience.PATIENCE", 10_000.0)  # which is for stores that have answered before
    proxy.hang_up(times=10_000)
    wrong = with_settings(storage, endpoint=f"http://127.0.0.1:{proxy.port}/auth/v1.0")
    with pytest.raises(Unreachable, match="check the endpoint, such as whether it has to begin with http or https"):
        wrong.list("")
    wrong.close()
