"""Sentences for what stores that speak S3's protocol refuse: a real Swift, and an Amazon whose answers are written out here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import botocore.auth  # pyright: ignore[reportMissingTypeStubs]
import pytest
from pydantic import SecretStr
from werkzeug.wrappers import Request, Response

from blocks.errors import AuthenticationRefused, CommandFailed, ResourceError
from blocks.storage import ObjectStorage
from tests.servers.swift import Swift
from tests.servers.web import serving
from tests.storage.object_storages import by_s3

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
REFUSALS = {
    "AuthorizationHeaderMalformed": (400, "The region 'us-east-1' is wrong; expecting 'eu-central-1'"),
    "ExpiredToken": (400, "The provided token has expired."),
    "InvalidToken": (400, "The provided token is malformed or otherwise invalid."),
    "PermanentRedirect": (301, "The bucket you are attempting to access must be addressed using the specified endpoint."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the server's time is too large."),
}


@pytest.fixture
def amazon(request: pytest.FixtureRequest) -> Iterator[ObjectStorage]:
    """One that refuses everything, with this code."""
    status, words = REFUSALS[request.param]
    body = f"<?xml version='1.0'?><Error><Code>{request.param}</Code><Message>{words}</Message></Error>"

    @Request.application
    def refuse(_request: Request) -> Response:
        return Response(body, status, content_type="application/xml")

    with serving(refuse) as url:
        storage = ObjectStorage(endpoint=url, bucket="box", access_key="AKIA", secret_key=SecretStr("Open-Sesame-1"))
        yield storage
        storage.close()


@pytest.mark.parametrize(
    ("amazon", "kind", "told"),
    [
        ("ExpiredToken", AuthenticationRefused, "the session token for .* has expired; make a new one"),
        ("InvalidToken", AuthenticationRefused, r"does not accept the access key with its secret \(InvalidToken\)"),
        *(
            (code, CommandFailed, "the bucket box is in another region than the setting says .*; correct the region")
            for code in ("PermanentRedirect", "AuthorizationHeaderMalformed")
        ),
        ("RequestTimeTooSkewed", CommandFailed, "the clock of this machine and that of .* are too far apart"),
    ],
    indirect=["amazon"],
)
def test_what_amazon_refuses_is_told_in_a_sentence(amazon: ObjectStorage, kind: type[ResourceError], told: str) -> None:
    for act in (lambda: amazon.list(""), lambda: amazon.write("x", b"1"), lambda: amazon.read("x")):
        with pytest.raises(kind, match=told) as caught:
            act()
        assert "Sesame" not in str(caught.value)


@pytest.mark.parametrize("amazon", ["PermanentRedirect"], indirect=True)
def test_a_bucket_that_is_elsewhere_is_told_also_by_an_answer_without_words(amazon: ObjectStorage) -> None:
    with pytest.raises(CommandFailed, match="says that the bucket box is elsewhere; check the endpoint"):
        amazon.object_store("box").look("x")


def test_an_endpoint_that_leads_on_to_https_is_not_asked_again_and_again() -> None:
    asked: list[str] = []

    @Request.application
    def lead_on(request: Request) -> Response:
        asked.append(request.method)
        return Response("<html>Moved</html>", 301, {"Location": request.url.replace("http:", "https:")}, content_type="text/html")

    with serving(lead_on) as url:
        storage = ObjectStorage(endpoint=url, bucket="box", access_key="AKIA", secret_key=SecretStr("Open-Sesame-1"))
        for act in (lambda: storage.list(""), lambda: storage.write("x", b"1"), lambda: storage.exists("x")):
            asked.clear()
            with pytest.raises(CommandFailed, match=r"is elsewhere; check the endpoint, such as whether .* https"):
                act()
            assert len(asked) <= 2
        storage.close()


def test_a_clock_that_is_wrong_by_an_hour_is_told(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = by_s3(swift)
    now: Any = botocore.auth.get_current_datetime
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *given: now(*given) + timedelta(hours=1))
    with pytest.raises(CommandFailed, match=r"this machine and that of .* are too far apart; set the clock right"):
        storage.list("")
    storage.close()
