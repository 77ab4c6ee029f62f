"""Object stores that speak the protocol of Amazon's S3."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from boto3.s3.transfer import TransferConfig  # pyright: ignore[reportMissingTypeStubs]

from blocks.errors import CommandFailed, NotFound
from blocks.storage.object_refusals import damaged
from blocks.storage.object_s3_client import S3Client, checksum
from blocks.storage.object_s3_refusals import of_code
from blocks.storage.object_store import (
    Digest,
    Fetched,
    Listed,
    ObjectStore,
    Signed,
    Unfinished,
    compare,
    compare_parts,
    md5,
)

_SIGNED_SECONDS = 3600
_MOST_COPIED = 1024**3  # bytes that one request copies: S3 allows five times as much, but not every store is done with it in time
_MD5 = re.compile(r"[0-9a-f]{32}")
_PARTS = re.compile(r"([0-9a-f]{32})-(\d+)")


class S3Store(ObjectStore):
    """A bucket."""

    most_parts = 10_000
    deleted_at_once = 1000

    def __init__(self, client: S3Client) -> None:
        """Nothing is sent yet."""
        self.name = client.name
        self.clock, self.patience = client.clock, client.patience
        self._client = client
        self._bucket = client.bucket

    def listed(self, prefix: str) -> Iterator[Listed]:
        for page in self._client.pages("list_objects_v2", prefix, Prefix=prefix):
            yield from (_listed(found) for found in page.get("Contents", ()))

    def names(self, prefix: str) -> Iterator[Listed]:
        for page in self._client.pages("list_objects_v2", prefix, Prefix=prefix, Delimiter="/"):
            yield from (Listed(found["Prefix"], 0, 0.0) for found in page.get("CommonPrefixes", ()))
            yield from (_listed(found) for found in page.get("Contents", ()))

    def look(self, key: str) -> Fetched:
        return _fetched(self._client.ask("head_object", key, Key=key), b"")

    def fetch(self, key: str) -> Fetched:
        def once(boto: Any) -> Fetched:
            answer = boto.get_object(Bucket=self._bucket, Key=key)
            content = answer["Body"].read()
            found = _fetched(answer, content)
            if "kms" not in answer.get("ServerSideEncryption", ""):  # then the ETag is no checksum of what is read
                if not _PARTS.fullmatch(found.etag):
                    compare(key, content, found.etag)
                elif found.etag != _whole([md5(content)]):
                    compare_parts(key, content, self.digest(key, found.etag))
            return found

        return self._client.carry_out(key, once)

    def fetch_range(self, key: str, etag: str, offset: int, size: int) -> bytes:
        def once(boto: Any) -> bytes:
            limits = f"bytes={offset}-{offset + size - 1}"
            content = boto.get_object(Bucket=self._bucket, Key=key, Range=limits, IfMatch=f'"{etag}"')["Body"].read()
            if len(content) != size:
                raise damaged(key)
            return content

        return self._client.carry_out(key, once)

    def digest(self, key: str, etag: str) -> Digest | None:
        match = _PARTS.fullmatch(etag)
        if not match:
            return None
        first = self._client.ask("head_object", key, Key=key, PartNumber=1)
        if first.get("PartsCount") != int(match[2]) or "kms" in first.get("ServerSideEncryption", ""):
            return None
        size, count = int(first["ContentLength"]), int(match[2])
        return Digest(match[1], [size], of_text=False, has_such_parts=lambda: self._are_alike(key, size, count))

    def _are_alike(self, key: str, size: int, count: int) -> bool:
        """Whether all parts but the last have this size."""
        parts = (self._client.ask("head_object", key, Key=key, PartNumber=number) for number in range(2, count))
        return all(int(part["ContentLength"]) == size for part in parts)

    def put(self, key: str, content: bytes, metadata: Mapping[str, str]) -> None:
        self._client.ask("put_object", key, Key=key, Body=content, Metadata=dict(metadata), ContentMD5=checksum(content))

    def begin_upload(self, key: str, metadata: Mapping[str, str]) -> str:
        return self._client.ask("create_multipart_upload", key, Key=key, Metadata=dict(metadata))["UploadId"]

    def send_part(self, key: str, upload: str, number: int, content: bytes) -> str:
        part: dict[str, Any] = {"UploadId": upload, "PartNumber": number, "Body": content, "ContentMD5": checksum(content)}
        return self._client.ask("upload_part", key, Key=key, **part)["ETag"]

    def signed(self, key: str) -> str | None:
        wanted = {"Bucket": self._bucket, "Key": key}
        return self._client.boto.generate_presigned_url("get_object", Params=wanted, ExpiresIn=_SIGNED_SECONDS)

    def signed_part(self, key: str, upload: str, number: int, checksum: bytes) -> Signed | None:
        md5 = base64.b64encode(checksum).decode()
        part = {"Bucket": self._bucket, "Key": key, "UploadId": upload, "PartNumber": number, "ContentMD5": md5}
        url = self._client.boto.generate_presigned_url("upload_part", Params=part, ExpiresIn=_SIGNED_SECONDS)
        return Signed(url, {"Content-MD5": md5})

    def complete_upload(self, key: str, upload: str, parts: Sequence[tuple[str, int]], metadata: Mapping[str, str]) -> None:
        told = [{"PartNumber": number, "ETag": etag} for number, (etag, _) in enumerate(parts, 1)]
        try:
            self._client.ask("complete_multipart_upload", key, Key=key, UploadId=upload, MultipartUpload={"Parts": told})
        except NotFound:
            if not self._is_complete(key, parts):
                raise CommandFailed(
                    f"{key}: {self.name} aborted the upload before it was complete, as by a rule of the bucket; please try again"
                ) from None

    def _is_complete(self, key: str, parts: Sequence[tuple[str, int]]) -> bool:
        """Whether an upload that is no longer known was completed, and only the answer was lost: the object is of its parts."""
        try:
            found = self.look(key)
        except NotFound:
            return False
        checksums = [etag.strip('"') for etag, _ in parts]
        if not all(map(_MD5.fullmatch, checksums)):  # a store of its own kind, which tells no more than the size
            return found.size == sum(size for _, size in parts)
        return found.etag == _whole([bytes.fromhex(checksum) for checksum in checksums])

    def abort_upload(self, key: str, upload: str) -> None:
        try:
            self._client.ask("abort_multipart_upload", key, Key=key, UploadId=upload)
        except NotFound:
            return

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        for page in self._client.pages("list_multipart_uploads", prefix, Prefix=prefix):
            for found in page.get("Uploads", ()):
                yield Unfinished(found["Key"], found["UploadId"], found["Initiated"].timestamp())

    def copy(self, source: Listed, target: str) -> None:
        origin = {"Bucket": self._bucket, "Key": source.key}
        if source.size <= _MOST_COPIED:
            self._client.ask("copy_object", source.key, Key=target, CopySource=origin)
            return
        more = {"Metadata": dict(self.look(source.key).metadata)}
        config = TransferConfig(multipart_threshold=_MOST_COPIED, multipart_chunksize=_MOST_COPIED // 8, max_concurrency=4)
        try:
            self._client.carry_out(
                source.key, lambda boto: boto.copy(origin, self._bucket, target, ExtraArgs=more, Config=config)
            )
        except CommandFailed:  # some stores copy no parts, but whole objects of any size
            self._client.ask("copy_object", source.key, Key=target, CopySource=origin)

    def delete(self, objects: Sequence[Listed]) -> None:
        together = [{"Key": found.key} for found in objects if found.key.isprintable()]
        if together:
            self._client.carry_out(together[0]["Key"], lambda boto: self._delete_together(boto, together))
        for found in objects:
            if not found.key.isprintable():  # XML can't hold some of these
                with suppress(NotFound):
                    self._client.ask("delete_object", found.key, Key=found.key)

    def _delete_together(self, boto: Any, keys: list[dict[str, str]]) -> None:
        answer = boto.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})
        for error in answer.get("Errors", ()):
            if error.get("Code") != "NoSuchKey":
                raise of_code(self.name, self._bucket, error["Key"], error.get("Code", ""), error.get("Message", ""), 0)

    def close(self) -> None:
        self._client.close()


def _listed(found: Mapping[str, Any]) -> Listed:
    return Listed(found["Key"], int(found["Size"]), found["LastModified"].timestamp())


def _fetched(answer: Mapping[str, Any], content: bytes) -> Fetched:
    etag = str(answer.get("ETag", "")).strip('"')
    metadata = {name.lower(): text for name, text in answer.get("Metadata", {}).items()}  # some servers write Mode for mode
    return Fetched(int(answer["ContentLength"]), answer["LastModified"].timestamp(), etag, metadata, content)


def _whole(parts: Sequence[bytes]) -> str:
    """The ETag of an object that was made of parts with these checksums."""
    return f"{md5(b''.join(parts)).hex()}-{len(parts)}"
