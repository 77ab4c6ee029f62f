"""Keys that can't be sent, servers that are no repository, and what is between them and the network."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from werkzeug.wrappers import Request, Response

from blocks import patience
from blocks.curation.deposit_file import DepositFile
from blocks.curation.http import Repository
from blocks.curation.invenio import InvenioRDM
from blocks.curation.mytardis import MyTardis
from blocks.errors import CommandFailed, InvalidRequest, Unreachable
from tests.curation.sites import KINDS, Site, experiment
from tests.servers.certificate import self_signed
from tests.servers.mytardis import ALICE, MyTardisServer
from tests.servers.web import serving

AROUND = ["\n", " ", "\t", "\r\n", "\N{NO-BREAK SPACE}"]
WITHIN = [" ", "\n", "\x07", "\N{ZERO WIDTH SPACE}", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
LONG = 20.0  # seconds, which a request that is not repeated never takes


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = KINDS[request.param](tmp_path)
    site.server.start()
    yield site
    site.resource.close()
    site.server.stop()


@pytest.mark.parametrize("around", AROUND)
def test_what_was_pasted_around_a_key_is_no_part_of_it(
    site: Site, server: MyTardisServer, repository: MyTardis, around: str
) -> None:
    site.resource.token = SecretStr(f"{around}{site.server.token}{around}")
    assert site.resource.publish(experiment(), "", {}).sent == 2
    repository.api_key = SecretStr(f"{around}{ALICE.api_key}{around}")
    repository.username = MyTardis(url=server.url, username=f"{ALICE.name}{around}").username
    assert any("accepts the credentials" in line for line in repository.check())


@pytest.mark.parametrize("within", WITHIN)
def test_a_key_that_no_header_can_have_is_refused_at_once_and_never_told(
    site: Site, server: MyTardisServer, repository: MyTardis, within: str
) -> None:
    repository.api_key = SecretStr(f"alice-api{within}key-5f1d")
    site.resource.token = SecretStr(f"alice-api{within}key-5f1d")
    for act in (lambda: repository.problems("1"), repository.check, lambda: repository.publish(experiment(), "", {})):
        with pytest.raises(InvalidRequest, match="the API key has a space") as refused:
            act()
        assert "alice-api" not in str(refused.value)
    with pytest.raises(InvalidRequest, match=r"the token of the \w+ resource has a space") as refused:
        site.resource.check()
    assert site.resource.problems("") == [str(refused.value)]
    assert "alice-api" not in str(refused.value)
    assert (site.server.calls, server.requests) == ([], [])


def test_a_user_name_that_no_header_can_have_is_refused_where_it_would_go_into_one(server: MyTardisServer) -> None:
    by_key = MyTardis(url=server.url, username="al ice", api_key=ALICE.api_key)
    with pytest.raises(InvalidRequest, match="the user name has a space"):
        by_key.check()


def test_a_request_that_can_t_be_made_is_not_repeated_and_does_not_show_its_headers(server: MyTardisServer) -> None:
    asked = Repository("museum", server.url, headers={"Authorization": "Bearer Open-Sesame-1 "}, secrets=["Sesame"])
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="museum can't be asked for GET /") as refused:
        asked.ask("GET", "/")
    asked.close()
    assert time.monotonic() - began < LONG
    assert "Sesame" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__, "it would be in what --debug prints"


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port at which each connection is served so, and then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def invenio(url: str, authority_file: str = "") -> InvenioRDM:
    return InvenioRDM(url=url, token=SecretStr("a-token"), publisher="The Birds", authority_file=authority_file)


def told_by_check(resource: InvenioRDM, kind: type[Exception]) -> str:
    with pytest.raises(kind) as refused:
        resource.problems("1")
    resource.close()
    return str(refused.value)


def test_a_server_that_speaks_no_tls_is_told_as_that(server: MyTardisServer) -> None:
    told = told_by_check(invenio(server.url.replace("http:", "https:")), CommandFailed)
    assert "answers without encryption where its address asks for it" in told
    assert "whether it has to begin with http:// or https://" in told


def test_a_certificate_for_another_name_is_told_as_that(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server = MyTardisServer(tls=(str(certificate), str(key)))
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    named = told_by_check(invenio(elsewhere, str(certificate)), CommandFailed)
    unknown = told_by_check(invenio(server.url), CommandFailed)
    server.stop()
    assert (
        "(Hostname mismatch, certificate is not valid for 'localhost'); write its host in the address as the certificate does"
        in named
    )
    assert "(self-signed certificate); name its authority's certificate in the setting authority_file" in unknown


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_server_that_ends_each_connection_and_never_answered_is_not_waited_for_long(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "DOUBT", 0.5)

    def leave(connection: socket.socket) -> None:
        connection.recv(1)

    began = time.monotonic()
    with listening(leave) as port:
        told = told_by_check(invenio(f"{scheme}://127.0.0.1:{port}"), Unreachable)
    assert "can't be reached" in told
    assert time.monotonic() - began < LONG


def test_a_server_that_answered_before_is_waited_for_though_it_ends_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "DOUBT", 0.0)
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", b"", b"", b"HTTP/1.1 204 No\r\n\r\n"]

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answers.pop(0))

    with listening(serve) as port:
        asked = Repository("museum", f"http://127.0.0.1:{port}", headers={})
        assert [asked.ask("GET", "/").status_code for _ in range(2)] == [200, 204]
        asked.close()


@pytest.mark.parametrize("answer", ['{"status": "OK"}', "[]", '"OK"', "<html>"])
@pytest.mark.parametrize("kind", ["mytardis", *KINDS])
def test_what_answers_like_no_repository_is_told_with_the_advice_to_look_at_its_address(
    kind: str, answer: str, tmp_path: Path
) -> None:
    @Request.application
    def reply(_request: Request) -> Response:
        return Response(answer, content_type="application/json")

    with serving(reply) as url:
        if kind == "mytardis":
            resource: Any = MyTardis(url=url, username=ALICE.name, api_key=ALICE.api_key)
        else:
            resource = KINDS[kind](tmp_path).resource
            resource.url = url
        for act in (resource.check, lambda: resource.publish(experiment(), "", {})):
            with pytest.raises(CommandFailed, match=r"as no such repository does .*; check its address"):
                act()
        resource.close()


@pytest.mark.parametrize("checksum", ["multipart:0123-4", "shake_128:00", None, ""])
def test_a_checksum_that_can_t_be_compared_is_told(checksum: Any) -> None:
    sent = DepositFile("run.zip", 1, "application/zip", lambda: iter([b"1"]))
    with pytest.raises(CommandFailed, match=r"as the checksum of run.zip, which can't be compared here"):
        sent.has(checksum)
