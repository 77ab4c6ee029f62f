"""Storages in new buckets of the servers that the tests start."""

from __future__ import annotations

import secrets
from typing import Any

import boto3
import httpx
from pydantic import SecretStr

from blocks.storage import ObjectStorage
from tests.servers.s3 import S3
from tests.servers.swift import ANSWER_SECONDS, Swift


def on_moto(s3: S3) -> ObjectStorage:
    """By S3's protocol, on moto."""
    bucket = _name()
    s3.make_bucket(bucket)
    return _by_s3(s3.endpoint, bucket, s3.access_key, s3.secret_key)


def by_s3(swift: Swift) -> ObjectStorage:
    """By S3's protocol, on Swift."""
    bucket = _name()
    swift.make_container(bucket)
    return _by_s3(swift.endpoint, bucket, swift.user, swift.key)


def by_swift(swift: Swift) -> ObjectStorage:
    """By Swift's own protocol."""
    bucket = _name()
    swift.make_container(bucket)
    return ObjectStorage(
        protocol="swift",
        endpoint=swift.auth_url,
        bucket=bucket,
        path="some/where",
        access_key=swift.user,
        secret_key=SecretStr(swift.key),
    )


PROTOCOLS = {"by S3's protocol": by_s3, "by Swift's": by_swift}  # both on Swift


def with_settings(storage: ObjectStorage, **settings: Any) -> ObjectStorage:
    """The same, but for some settings, and with a connection of its own."""
    return ObjectStorage(**{**{name: getattr(storage, name) for name in ObjectStorage.settings()}, **settings})


def client(storage: ObjectStorage) -> Any:
    """boto3's, as others use it, for a storage that speaks S3's protocol."""
    assert storage.secret_key is not None
    login = {"aws_access_key_id": storage.access_key, "aws_secret_access_key": storage.secret_key.get_secret_value()}
    return boto3.client("s3", endpoint_url=storage.endpoint, region_name="us-east-1", **login)


def raw_keys(storage: ObjectStorage, swift: Swift) -> list[str]:
    """All objects of the bucket, as others see them."""
    pages = _raw(storage, swift).get_paginator("list_objects_v2").paginate(Bucket=storage.bucket)
    return [found["Key"] for page in pages for found in page.get("Contents", ())]


def uploads(storage: ObjectStorage, swift: Swift) -> list[str]:
    """The ids of those that are not completed."""
    if storage.protocol == "s3":
        return [
            each["UploadId"] for each in _raw(storage, swift).list_multipart_uploads(Bucket=storage.bucket).get("Uploads", ())
        ]
    token, url = swift.log_in()
    found = httpx.get(f"{url}/{storage.bucket}_segments?prefix=uploads/", headers={"X-Auth-Token": token}, timeout=ANSWER_SECONDS)
    return found.text.split() if found.status_code == 200 else []


def _raw(storage: ObjectStorage, swift: Swift) -> Any:
    return client(with_settings(storage, protocol="s3", endpoint=swift.endpoint))


def _by_s3(endpoint: str, bucket: str, access_key: str, secret_key: str) -> ObjectStorage:
    secret = SecretStr(secret_key)
    return ObjectStorage(endpoint=endpoint, bucket=bucket, path="some/where", access_key=access_key, secret_key=secret)


def _name() -> str:
    return f"bucket-{secrets.token_hex(4)}"
