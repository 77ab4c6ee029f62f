"""Object stores that speak OpenStack Swift's own protocol.

https://docs.openstack.org/api-ref/object-store/. A large object is made of segments, which are objects of a second container
(``CONTAINER_segments``, as with Swift's own client), and of a manifest that names them, without which it is not seen.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx

from blocks.errors import CommandFailed, NotFound
from blocks.storage.object_refusals import damaged
from blocks.storage.object_store import Digest, Fetched, Listed, ObjectStore, Unfinished, compare, compare_parts, md5
from blocks.storage.object_swift_client import SwiftClient

_META = "x-object-meta-"
_SEGMENTED, _LISTED = "x-static-large-object", "x-object-manifest"  # large objects: with a list of their segments, and without
_NO_DIGEST = {"range", "sub_slo", "data"}  # what segments have whose checksum is not that of what they give
_MANIFEST = "multipart-manifest"
_PAGE = 1000  # names


class SwiftStore(ObjectStore):
    """A container."""

    most_parts = 1000  # unless the operator allows more
    deleted_at_once = 1

    def __init__(self, client: SwiftClient, container: str) -> None:
        """Nothing is sent yet."""
        self.name = client.name
        self.clock, self.patience = client.clock, client.patience
        self._client = client
        self._container = container
        self._segments = f"{container}_segments"
        self._has_segments = False  # whether that container was made

    def listed(self, prefix: str) -> Iterator[Listed]:
        return self._listed(self._container, {"prefix": prefix})

    def names(self, prefix: str) -> Iterator[Listed]:
        return self._listed(self._container, {"prefix": prefix, "delimiter": "/"})

    def look(self, key: str) -> Fetched:
        return _fetched(self._client.ask("HEAD", self._container, key))

    def fetch(self, key: str) -> Fetched:
        def check(answer: httpx.Response) -> None:
            etag = answer.headers["etag"].strip('"')
            if _SEGMENTED in answer.headers:
                if etag != md5(md5(answer.content).hex().encode()).hex():
                    compare_parts(key, answer.content, self.digest(key, _fetched(answer)))
            elif _LISTED not in answer.headers:  # whose segments nothing names
                compare(key, answer.content, etag)

        return _fetched(self._client.ask("GET", self._container, key, check=check))

    def fetch_range(self, key: str, etag: str, offset: int, size: int) -> bytes:
        def check(answer: httpx.Response) -> None:
            if len(answer.content) != size:
                raise damaged(key)

        limits = {"Range": f"bytes={offset}-{offset + size - 1}", "If-Match": f'"{etag}"'}
        return self._client.ask("GET", self._container, key, headers=limits, check=check).content

    def digest(self, key: str, found: Fetched) -> Digest | None:
        segments = self._manifest(key)
        if segments is None or any(_NO_DIGEST & segment.keys() for segment in segments):
            return None
        return Digest(found.etag, [int(segment["bytes"]) for segment in segments], of_text=True)

    def put(self, key: str, content: bytes, metadata: Mapping[str, str]) -> None:
        self._put(self._container, key, content, _headers(metadata))

    def begin_upload(self, key: str, metadata: Mapping[str, str]) -> str:
        if not self._has_segments:
            try:
                self._client.ask("HEAD", self._segments)
            except CommandFailed:  # who may only write to containers that are there can't make one
                self._client.ask("PUT", self._segments)
            self._has_segments = True
        upload = secrets.token_hex(16)
        self._put(self._segments, _mark(upload), key.encode(), {})
        return upload

    def send_part(self, key: str, upload: str, number: int, content: bytes) -> str:
        return self._put(self._segments, _segment(upload, number), content, {})

    def complete_upload(self, key: str, upload: str, parts: Sequence[tuple[str, int]], metadata: Mapping[str, str]) -> None:
        manifest = [
            {"path": f"/{self._segments}/{_segment(upload, number)}", "etag": etag, "size_bytes": size}
            for number, (etag, size) in enumerate(parts, 1)
        ]
        words, content = {_MANIFEST: "put"}, json.dumps(manifest).encode()
        self._client.ask("PUT", self._container, key, params=words, headers=_headers(metadata), content=content)
        self._delete(self._segments, _mark(upload))

    def abort_upload(self, key: str, upload: str) -> None:
        made = self._manifest(key) or ()
        completed = any(segment["name"].endswith(_segment(upload, 1)) for segment in made)  # and only the answer was lost
        for found in [] if completed else list(self._listed(self._segments, {"prefix": f"segments/{upload}/"})):
            self._delete(self._segments, found.key)
        self._delete(self._segments, _mark(upload))

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        try:
            marks = list(self._listed(self._segments, {"prefix": _mark("")}))
        except CommandFailed:  # there is no such container, and so there were no uploads
            return
        for mark in marks:
            with suppress(NotFound):  # it has just been completed
                key = self._client.ask("GET", self._segments, mark.key).content.decode()
                if key.startswith(prefix):
                    yield Unfinished(key, mark.key.removeprefix(_mark("")), mark.modified)

    def copy(self, source: Listed, target: str) -> None:
        if source.has_segments:
            self._copy_segments(source.key, target)
        else:
            self._copy(self._container, source.key, target)

    def delete(self, objects: Sequence[Listed]) -> None:
        for found in objects:
            self._delete(self._container, found.key, {_MANIFEST: "delete"} if found.has_segments else {})

    def close(self) -> None:
        self._client.close()

    def _copy_segments(self, key: str, target: str) -> None:
        """The copy has segments of its own, for those of the source end with it."""
        metadata = self.look(key).metadata
        upload = self.begin_upload(target, metadata)
        segments = self._manifest(key) or []
        for number, segment in enumerate(segments, 1):
            container, _, name = segment["name"].lstrip("/").partition("/")
            self._copy(container, name, _segment(upload, number), self._segments)
        self.complete_upload(target, upload, [(segment["hash"], int(segment["bytes"])) for segment in segments], metadata)

    def _copy(self, container: str, key: str, target: str, into: str = "") -> None:
        origin = {"X-Copy-From": quote(f"/{container}/{key}")}
        self._client.ask("PUT", into or self._container, target, headers=origin, content=b"")

    def _manifest(self, key: str) -> list[dict[str, Any]] | None:
        """The segments of an object; None if it has none, or is not there."""
        try:
            if _SEGMENTED not in self._client.ask("HEAD", self._container, key).headers:
                return None
            answer = self._client.ask("GET", self._container, key, params={_MANIFEST: "get"})
        except NotFound:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise CommandFailed(
                f"{key}: {self.name} does not tell what this large object is made of; if it is Ceph's, say protocol=s3"
            ) from error

    def _put(self, container: str, key: str, content: bytes, headers: Mapping[str, str]) -> str:
        checksum = md5(content).hex()
        self._client.ask("PUT", container, key, headers={**headers, "ETag": checksum}, content=content)
        return checksum

    def _delete(self, container: str, key: str, params: Mapping[str, str] | None = None) -> None:
        try:
            self._client.ask("DELETE", container, key, params=params or {})
        except NotFound:
            return

    def _listed(self, container: str, given: dict[str, str]) -> Iterator[Listed]:
        marker = ""
        while True:
            asked = {"format": "json", "limit": str(_PAGE), "marker": marker, **given}
            page: list[dict[str, Any]] = self._client.ask("GET", container, params=asked).json()
            yield from (_of_listing(found) for found in page)
            if not page:  # that of Ceph may be short though more follow
                return
            marker = page[-1].get("subdir") or page[-1]["name"]


def _mark(upload: str) -> str:
    """The object that says that an upload is not completed."""
    return f"uploads/{upload}"


def _segment(upload: str, number: int) -> str:
    return f"segments/{upload}/{number:08}"


def _headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"{_META}{name}": value for name, value in metadata.items()} | {"Content-Type": "application/octet-stream"}


def _of_listing(found: Mapping[str, Any]) -> Listed:
    if "subdir" in found:
        return Listed(found["subdir"], 0, 0.0)
    modified = datetime.fromisoformat(found["last_modified"]).replace(tzinfo=UTC).timestamp()
    return Listed(found["name"], int(found["bytes"]), modified, "slo_etag" in found)


def _fetched(answer: httpx.Response) -> Fetched:
    told = answer.headers
    metadata = {name.removeprefix(_META): value for name, value in told.items() if name.startswith(_META)}
    modified = parsedate_to_datetime(told["last-modified"]).timestamp()
    return Fetched(int(told["content-length"]), modified, told["etag"].strip('"'), metadata, answer.content)
