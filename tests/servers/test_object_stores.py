"""Swift and moto's S3 on the loopback device, as boto3 and a plain request see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from tests.servers.s3 import S3
from tests.servers.swift import ANSWER_SECONDS, Swift


def client(endpoint: str, key: str, secret: str) -> Any:
    login = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=endpoint, **login)


def test_swift_shows_by_its_own_protocol_what_was_written_by_that_of_s3(swift: Swift) -> None:
    swift.make_container("both-protocols")
    client(swift.endpoint, swift.user, swift.key).put_object(Bucket="both-protocols", Key="a", Body=b"1", Metadata={"x": "y"})
    token, url = swift.log_in()
    answer = httpx.get(f"{url}/both-protocols/a", headers={"X-Auth-Token": token}, timeout=ANSWER_SECONDS)
    assert (answer.content, answer.headers["x-object-meta-x"]) == (b"1", "y")


def test_swift_lets_in_nobody_else(swift: Swift) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(swift.endpoint, swift.user, "wrong").list_buckets()
    stranger = {"X-Auth-User": swift.user, "X-Auth-Key": "wrong"}
    assert httpx.get(swift.auth_url, headers=stranger, timeout=ANSWER_SECONDS).status_code == 401


def test_swift_keeps_what_it_has_while_it_is_away_and_can_be_full(swift: Swift) -> None:
    swift.make_container("away")
    s3 = client(swift.endpoint, swift.user, swift.key)
    s3.put_object(Bucket="away", Key="a", Body=b"1")
    swift.go_away()
    with pytest.raises(httpx.ConnectError):
        httpx.get(swift.endpoint)
    swift.come_back()
    assert s3.get_object(Bucket="away", Key="a")["Body"].read() == b"1"
    swift.limit("away", 10)
    with pytest.raises(ClientError, match="quota"):
        s3.put_object(Bucket="away", Key="b", Body=bytes(100))


def test_nothing_of_a_stopped_swift_answers(swift: Swift, tmp_path: Path) -> None:
    other = Swift(tmp_path)
    other.start()
    other.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(other.endpoint)


def test_moto_keeps_names_with_line_ends(s3: S3) -> None:
    s3.make_bucket("line-ends")
    here = client(s3.endpoint, s3.access_key, s3.secret_key)
    here.put_object(Bucket="line-ends", Key="a\nb", Body=b"1")
    assert here.get_object(Bucket="line-ends", Key="a\nb")["Body"].read() == b"1"
