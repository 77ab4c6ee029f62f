"""Clouds whose API is not encrypted as its address says, or whose certificate nobody here trusts."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from werkzeug.wrappers import Request, Response

from blocks.credentials.openstack import OpenStackCredentials
from blocks.errors import CommandFailed
from tests.servers.certificate import self_signed
from tests.servers.web import serving


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path)


@pytest.fixture
def encrypted(certificate: tuple[Path, Path]) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with serving(nothing, context) as url:
        yield url


@Request.application
def nothing(_request: Request) -> Response:
    return Response(status=404)


def told(auth_url: str, authority_file: str = "") -> str:
    credentials = OpenStackCredentials(
        auth_url=f"{auth_url}/v3",
        username="somebody",
        password=SecretStr("Open-Sesame-1"),
        project="ours",
        authority_file=authority_file,
    )
    with pytest.raises(CommandFailed) as refused:
        credentials.check()
    return str(refused.value)


def test_a_certificate_of_an_authority_that_is_not_known_is_told_with_the_setting_that_names_it(encrypted: str) -> None:
    assert "(self-signed certificate); name its authority's certificate in the setting authority_file" in told(encrypted)


def test_a_certificate_with_another_name_is_told_as_that(encrypted: str, certificate: tuple[Path, Path]) -> None:
    elsewhere = told(encrypted.replace("127.0.0.1", "localhost"), str(certificate[0]))
    assert "localhost" in elsewhere
    assert "write its host in the address as the certificate does" in elsewhere


def test_an_api_that_is_not_encrypted_where_its_address_says_so_is_told_as_that() -> None:
    with serving(nothing) as url:
        assert "answers without encryption where its address asks for it" in told(url.replace("http:", "https:"))
