"""ObjectStorage with what object stores do that don't run here, and for who has few permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from blocks.credentials import EC2Credentials
from blocks.errors import AuthenticationRefused, CommandFailed, InvalidRequest, NotFound, Unreachable
from blocks.storage import ObjectStorage, object_s3
from blocks.storage.object_refusals import refusal
from blocks.storage.object_swift_client import SwiftClient
from blocks.tree import Entry, file
from tests.servers.swift import ANSWER_SECONDS, Swift
from tests.servers.web import below
from tests.storage.object_storages import by_s3, by_swift, client, with_settings
from tests.storage_contract import DAY, Zeros

MEGABYTE = 1 << 20
Replace = Callable[[str, Callable[..., Any]], None]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests by S3's protocol, in order."""
    requests: list[Any] = []
    send = URLLib3Session.send

    def recording(session: Any, request: Any) -> Any:
        requests.append(request)
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", recording)
    return requests


def test_nothing_is_asked_of_what_is_not_below_the_base_folder(storage: ObjectStorage, sent: list[Any]) -> None:
    """A careful administrator allows a key one folder, and a prefix that is shorter is not in it."""
    for _ in range(2):
        storage.store("run/output", [file("a", b"1"), file("b/c", b"2"), Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())])
    storage.write("x", b"1")
    storage.copy("run", "again")
    storage.check()
    assert storage.exists("")
    assert storage.exists("run")
    assert [entry.path for entry in storage.tree("run")]
    assert storage.list("") == ["again", "run", "x"]
    storage.remove("run")

    for request in sent:
        url = urlsplit(request.url)
        key = unquote(url.path).removeprefix(f"/{storage.bucket}").lstrip("/")
        if "delete" in parse_qs(url.query, keep_blank_values=True):  # its keys are in its body
            assert b"<Key>some/where/" in request.body
        else:
            assert (key or parse_qs(url.query)["prefix"][0]).startswith("some/where/")


def test_checksums_that_not_every_store_knows_are_not_sent(storage: ObjectStorage, sent: list[Any]) -> None:
    storage.store("t", [file("a", b"1"), Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())])
    storage.remove("t")
    names = {name.lower() for request in sent for name in request.headers}
    assert "content-md5" in names
    assert not {name for name in names if "checksum" in name}


def test_a_key_that_could_not_be_deleted_is_tried_again(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.store("t", [file("a", b"1"), file("b", b"2")])
    theirs: Any = storage.object_store(storage.bucket)
    delete_objects, told = theirs._client.boto.delete_objects, ["InternalError", "NoSuchKey"]

    def failing(**given: Any) -> Any:
        answer = delete_objects(**given)
        return answer | {"Errors": [{"Key": "t/a", "Code": told.pop(0), "Message": "We encountered an internal error."}]}

    monkeypatch.setattr(theirs._client.boto, "delete_objects", failing)
    theirs.delete(list(theirs.listed("some/where/t/")))
    assert told == []
    assert not storage.exists("t")


def test_a_file_of_unequal_parts_is_read(storage: ObjectStorage) -> None:
    """Whoever copied it together from others made such."""
    theirs, key, content = (
        client(storage),
        "some/where/t/z",
        [bytes([number]) * (size * MEGABYTE) for number, size in enumerate((10, 5, 10))],
    )
    upload = theirs.create_multipart_upload(Bucket=storage.bucket, Key=key)["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": theirs.upload_part(Bucket=storage.bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"],
        }
        for number, part in enumerate(content, 1)
    ]
    theirs.complete_multipart_upload(Bucket=storage.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    (entry,) = storage.tree("t")
    assert b"".join(entry.blocks()) == b"".join(content)


def begun(storage: ObjectStorage, key: str, content: bytes) -> tuple[Any, str, list[tuple[str, int]]]:
    """An upload of one part that is not completed: the store, its id, and its parts."""
    store = storage.object_store(storage.bucket)
    upload = store.begin_upload(key, {})
    return store, upload, [(store.send_part(key, upload, 1, content), len(content))]


def test_an_upload_that_was_aborted_is_told_though_something_as_large_was_there_before(swift: Swift) -> None:
    storage = by_s3(swift)
    theirs, key = client(storage), "some/where/z"
    for old in (None, b"old", "old in parts"):
        if old == "old in parts":
            store, upload, parts = begun(storage, key, b"old")
            store.complete_upload(key, upload, parts, {})
        elif old:
            theirs.put_object(Bucket=storage.bucket, Key=key, Body=old)
        store, upload, parts = begun(storage, key, b"new")
        theirs.abort_multipart_upload(Bucket=storage.bucket, Key=key, UploadId=upload)
        with pytest.raises(CommandFailed, match="aborted the upload before it was complete"):
            store.complete_upload(key, upload, parts, {})
    assert storage.read("z") == b"old"
    storage.close()


@pytest.mark.parametrize("make", [by_s3, by_swift])
def test_an_upload_whose_completion_was_not_answered_is_complete(swift: Swift, make: Callable[[Swift], ObjectStorage]) -> None:
    storage = make(swift)
    store, upload, parts = begun(storage, "some/where/z", b"new")
    for _ in range(2):
        store.complete_upload("some/where/z", upload, parts, {})
    assert storage.read("z") == b"new"
    storage.close()


def test_a_large_file_is_copied_whole_where_parts_can_not_be(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_s3, "_MOST_COPIED", MEGABYTE)
    storage.store("t", [Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())])
    ours: Any = storage._connected()  # pyright: ignore[reportPrivateUsage]

    def refuse(*_given: Any, **_more: Any) -> None:
        raise ClientError({"Error": {"Code": "NotImplemented"}, "ResponseMetadata": {"HTTPStatusCode": 501}}, "UploadPartCopy")

    monkeypatch.setattr(ours._client.boto, "copy", refuse)
    storage.copy("t", "copy")
    assert [(entry.path, entry.size, entry.modified) for entry in storage.tree("copy")] == [("z", 9 * MEGABYTE, DAY)]


def test_what_a_store_can_not_do_is_not_asked_for_again_and_again() -> None:
    assert not isinstance(refusal("it", "key", 501, ""), Unreachable)
    assert isinstance(refusal("it", "key", 500, ""), Unreachable)


@pytest.mark.parametrize(("path", "is_aborted"), [("", False), ("some", True)])
def test_old_uploads_are_aborted_in_our_own_folder_only(
    storage: ObjectStorage, path: str, is_aborted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.storage.object_abandoned.STALE", -60)
    theirs = client(storage)
    theirs.create_multipart_upload(Bucket=storage.bucket, Key="some/program/is/at/it")
    with_settings(storage, path=path).write("x", b"")
    assert ("Uploads" not in theirs.list_multipart_uploads(Bucket=storage.bucket)) is is_aborted


def test_an_upload_that_may_not_be_aborted_keeps_nobody_from_writing(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.storage.object_abandoned.STALE", -60)
    client(storage).create_multipart_upload(Bucket=storage.bucket, Key="some/where/else")
    ours: Any = storage._connected()  # pyright: ignore[reportPrivateUsage]

    def refuse(*_given: Any) -> None:
        raise CommandFailed("it gives no permission")

    monkeypatch.setattr(ours, "abort_upload", refuse)
    storage.write("x", b"1")
    assert storage.read("x") == b"1"


def test_addresses_for_hosts_are_of_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(InvalidRequest, match="region: with direct, name the region"):
        ObjectStorage(bucket="results", direct=True).object_store("results")
    for settings in (
        {"region": "eu-central-1"},
        {"credentials": EC2Credentials(access_key="A", secret_key="s", region="eu-central-1")},
    ):
        url = ObjectStorage(bucket="results", direct=True, **settings).object_store("results").signed("a/b")
        assert url is not None
        assert url.startswith("https://results.s3.eu-central-1.amazonaws.com/a/b?")


def test_large_objects_of_swift_without_a_list_of_their_segments_are_read(swift: Swift) -> None:
    """As ``swift upload --segment-size`` made them for years; listings tell that they are empty."""
    storage = by_swift(swift)
    token, url = swift.log_in()
    content = {"small": [b"one ", b"two"], "large": [bytes([number]) * MEGABYTE for number in range(3)], "empty": []}

    def put(path: str, body: bytes, **headers: str) -> None:
        known = {"X-Auth-Token": token, **headers}
        httpx.put(f"{url}/{storage.bucket}{path}", headers=known, content=body, timeout=ANSWER_SECONDS).raise_for_status()

    put("_parts", b"")
    for name, parts in content.items():
        for number, part in enumerate(parts):
            put(f"_parts/{name}/{number}", part)
        put(f"/some/where/t/{name}", b"", **{"X-Object-Manifest": f"{storage.bucket}_parts/{name}/"})

    whole = {name: b"".join(parts) for name, parts in content.items()}
    assert {entry.path: (entry.size, b"".join(entry.blocks())) for entry in storage.tree("t")} == {
        name: (len(read), read) for name, read in whole.items()
    }
    assert not any(isinstance(entry.content, bytes) and entry.size for entry in storage.tree("t"))  # in memory at once
    for name, read in whole.items():
        assert storage.read(f"t/{name}") == read
        assert b"".join(storage.blocks(f"t/{name}")) == read
    storage.copy("t", "copy")
    assert {entry.path: b"".join(entry.blocks()) for entry in storage.tree("copy")} == whole
    storage.close()


def test_a_store_below_a_path_of_its_address_is_found_there(storage: ObjectStorage) -> None:
    with below("/objects/s3", storage.endpoint) as endpoint:
        beyond = with_settings(storage, endpoint=endpoint)
        beyond.store("t", [file("a", b"1"), Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())])
        assert beyond.check()
        beyond.store("t", [file("a", b"2"), file("b", b"3")])
        beyond.copy("t", "copy")
        assert beyond.list("") == ["copy", "t"]
        beyond.remove("copy")
        beyond.close()
    assert {entry.path: entry.content for entry in storage.tree("t")} == {"a": b"2", "b": b"3"}


def test_short_pages_of_swift_are_not_the_last_ones(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ceph's are: it looks at so many of its own entries, and leaves out what is not to be seen."""
    ask = SwiftClient.ask

    def short(self: SwiftClient, method: str, container: str, key: str = "", **given: Any) -> Any:
        if "limit" in (given.get("params") or {}):
            given["params"] = {**given["params"], "limit": "3"}
        return ask(self, method, container, key, **given)

    monkeypatch.setattr(SwiftClient, "ask", short)
    storage = by_swift(swift)
    storage.store("many", [file(f"{number:02}", b"1") for number in range(10)])
    assert storage.list("many") == [f"{number:02}" for number in range(10)]
    storage.remove("many")
    with pytest.raises(NotFound):
        storage.list("many")
    storage.close()


@pytest.fixture
def odd(
    swift: Swift, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ObjectStorage, Callable[[str, Callable[..., Any]], None]]]:
    """A storage by S3's protocol, and what replaces a request of its store by another, which is given the request."""
    storage = by_s3(swift)
    store: Any = storage.object_store(storage.bucket)
    boto = store._client.boto
    monkeypatch.setattr(ObjectStorage, "object_store", lambda _self, _bucket: store)

    def replace(operation: str, act: Callable[..., Any]) -> None:
        monkeypatch.setattr(boto, operation, partial(act, getattr(boto, operation)))

    yield storage, replace
    storage.close()


def refused(operation: str, code: str, status: int, words: str) -> ClientError:
    told: Any = {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, operation)


@pytest.mark.parametrize("parts", ["told with the size of all", "not told"])
def test_large_files_are_read_from_stores_that_do_not_tell_of_parts(odd: Any, parts: str) -> None:
    storage, replace = odd
    large = Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())
    storage.store("t", [large, file("one-part", bytes(5 * MEGABYTE))])

    def head(theirs: Callable[..., Any], **given: Any) -> Any:
        number = given.pop("PartNumber", None)
        if number is None:
            return theirs(**given)
        if parts == "not told":
            raise refused("HeadObject", "NotImplemented", 501, "")
        return theirs(**given) | {"PartsCount": 2}

    replace("head_object", head)
    assert {entry.path: sum(map(len, entry.blocks())) for entry in storage.tree("t")} == {
        "one-part": 5 * MEGABYTE,
        "z": 9 * MEGABYTE,
    }


def test_a_file_that_is_replaced_while_it_is_read_is_told_by_whatever_the_store_says_of_its_content(odd: Any) -> None:
    storage, _ = odd
    storage.store("t", [Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())])
    (entry,) = storage.tree("t")
    client(storage).put_object(Bucket=storage.bucket, Key="some/where/t/z", Body=b"x" * (9 * MEGABYTE))
    with pytest.raises(CommandFailed, match="t/z changed while it was read"):
        list(entry.blocks())


def test_a_file_of_which_a_store_has_no_etag_is_read(odd: Any) -> None:
    storage, replace = odd
    storage.store("t", [Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())])

    def without_etag(theirs: Callable[..., Any], **given: Any) -> Any:
        return {name: value for name, value in theirs(**given).items() if name != "ETag"}

    replace("head_object", without_etag)
    replace("get_object", without_etag)
    (entry,) = storage.tree("t")
    assert sum(map(len, entry.blocks())) == 9 * MEGABYTE


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("InvalidArgument", 400), ("MethodNotAllowed", 405)])
def test_a_store_that_deletes_one_object_at_a_time_is_used_so(odd: Any, code: str, status: int) -> None:
    storage, replace = odd
    asked: list[str] = []

    def together(_theirs: Callable[..., Any], **_given: Any) -> Any:
        asked.append(code)
        raise refused("DeleteObjects", code, status, "POST ?delete is not implemented")

    replace("delete_objects", together)
    for _ in range(2):
        storage.store("t", [file("a", b"1"), file("b/c", b"2")])
        storage.remove("t")
    assert storage.list("") == []
    assert asked == [code], "it is asked once"
    storage.check()


def test_a_region_that_is_wrong_is_told_though_the_store_calls_the_keys_wrong(odd: Any) -> None:
    storage, replace = odd
    words = "Credential should be scoped to a valid Region, not us-east-1"

    def refuse(_theirs: Callable[..., Any], **_given: Any) -> Any:
        raise refused("ListObjectsV2", "SignatureDoesNotMatch", 403, words)

    replace("list_objects_v2", refuse)
    with pytest.raises(AuthenticationRefused, match=f"check them, and the region: {words}"):
        storage.list("")


def test_a_file_that_is_kept_compressed_is_told_as_that(odd: Any) -> None:
    storage, replace = odd
    storage.write("x", b"1")

    def without_size(theirs: Callable[..., Any], **given: Any) -> Any:
        return {name: value for name, value in theirs(**given).items() if name != "ContentLength"}

    replace("head_object", without_size)
    with pytest.raises(CommandFailed, match=r"does not tell its size, for it is kept compressed; store it .* Content-Encoding"):
        cast(Any, storage.object_store(storage.bucket)).look("some/where/x")
