"""Object stores that speak the protocol of Amazon's S3."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from boto3.s3.transfer import TransferConfig  # pyright: ignore[reportMissingTypeStubs]
from botocore import exceptions  # pyright: ignore[reportMissingTypeStubs]

from blocks.errors import CommandFailed, NotFound
from blocks.storage.object_refusals import changed, damaged
from blocks.storage.object_s3_client import S3Client, checksum
from blocks.storage.object_s3_refusals import is_unknown, of_code
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
        self._deletes_singly = False  # for the store has no request for several

    def listed(self, prefix: str) -> Iterator[Listed]:
        for page in self._client.pages("list_objects_v2", prefix, Prefix=prefix):
            yield from (_listed(found) for found in page.get("Contents", ()))

    def names(self, prefix: str) -> Iterator[Listed]:
        for page in self._client.pages("list_objects_v2", prefix, Prefix=prefix, Delimiter="/"):
            yield from (Listed(found["Prefix"], 0, 0.0) for found in page.get("CommonPrefixes", ()))
            yield from (_listed(found) for found in page.get("Contents", ()))

    def look(self, key: str) -> Fetched:
        answer = self._client.ask("head_object", key, Key=key)
        if "ContentLength" not in answer:
            raise CommandFailed(
                f"{key}: {self.name} does not tell its size, for it is kept compressed; store it there without Content-Encoding"
            )
        return _fetched(answer, b"")

    def fetch(self, key: str) -> Fetched:
        def once(boto: Any) -> Fetched:
            answer = boto.get_object(Bucket=self._bucket, Key=key)
            content = answer["Body"].read()
            found = _fetched(answer, content)
            if not _is_encrypted(answer):
                if not _PARTS.fullmatch(found.etag):
                    compare(key, content, found.etag)
                elif found.etag != _whole([md5(content)]):
                    compare_parts(key, content, self.digest(key, found))
            return found

        return self._client.carry_out(key, once)

    def fetch_range(self, key: str, etag: str, offset: int, size: int) -> bytes:
        def once(boto: Any) -> bytes:
            limits = f"bytes={offset}-{offset + size - 1}"
            answer = boto.get_object(Bucket=self._bucket, Key=key, Range=limits)
            told = _etag(answer)  # some stores pass over If-Match, and some refuse by it what they have
            if etag and told and told != etag:
                raise changed(key)
            content = answer["Body"].read()
            if len(content) != size:
                raise damaged(key)
            return content

        return self._client.carry_out(key, once)

    def digest(self, key: str, found: Fetched) -> Digest | None:
        """By the size of the first part, where the store tells it: not all do, and some tell that of the whole object."""
        match = _PARTS.fullmatch(found.etag)
        if not match:
            return None
        count = int(match[2])
        if count == 1:
            return Digest(match[1], [found.size], of_text=False, has_such_parts=lambda: self._is_one_part(key))
        first = self._part(key, 1)
        size = int(first.get("ContentLength", 0))
        if first.get("PartsCount") != count or _is_encrypted(first) or not size * (count - 1) < found.size <= size * count:
            return None
        return Digest(match[1], [size], of_text=False, has_such_parts=lambda: self._are_alike(key, size, count))

    def _are_alike(self, key: str, size: int, count: int) -> bool:
        """Whether all parts but the last have this size."""
        return all(int(self._part(key, number).get("ContentLength", 0)) == size for number in range(2, count))

    def _is_one_part(self, key: str) -> bool:
        first = self._part(key, 1)
        return first.get("PartsCount") == 1 and not _is_encrypted(first)

    def _part(self, key: str, number: int) -> dict[str, Any]:
        """What is told of a part; nothing by a store that tells of none."""
        try:
            return self._client.ask("head_object", key, Key=key, PartNumber=number)
        except (CommandFailed, NotFound):
            return {}

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
        keys = {found.key for found in objects}
        printable = {key for key in keys if key.isprintable()}  # XML can't hold some of the others
        together = printable if len(printable) > 1 else set[str]()
        if together and not self._deletes_singly:
            self._client.carry_out(min(together), lambda boto: self._delete_together(boto, sorted(together)))
        for key in keys if self._deletes_singly else keys - together:
            with suppress(NotFound):
                self._client.ask("delete_object", key, Key=key)

    def _delete_together(self, boto: Any, keys: Sequence[str]) -> None:
        try:
            answer = boto.delete_objects(Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        except exceptions.ClientError as error:
            if not is_unknown(error):
                raise
            self._deletes_singly = True
            return
        for error in answer.get("Errors", ()):
            if error.get("Code") != "NoSuchKey":
                raise of_code(self.name, self._bucket, error["Key"], error.get("Code", ""), error.get("Message", ""), 0)

    def close(self) -> None:
        self._client.close()


def _listed(found: Mapping[str, Any]) -> Listed:
    return Listed(found["Key"], int(found["Size"]), found["LastModified"].timestamp())


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer.get("ETag", "")).strip('"')


def _is_encrypted(answer: Mapping[str, Any]) -> bool:
    """Whether the ETag is no checksum of what is read."""
    return "kms" in answer.get("ServerSideEncryption", "")


def _fetched(answer: Mapping[str, Any], content: bytes) -> Fetched:
    metadata = {name.lower(): text for name, text in answer.get("Metadata", {}).items()}  # some servers write Mode for mode
    size = int(answer.get("ContentLength", len(content)))  # what is kept compressed has none
    return Fetched(size, answer["LastModified"].timestamp(), _etag(answer), metadata, content)


def _whole(parts: Sequence[bytes]) -> str:
    """The ETag of an object that was made of parts with these checksums."""
    return f"{md5(b''.join(parts)).hex()}-{len(parts)}"
