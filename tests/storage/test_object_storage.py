"""ObjectStorage: the contract, by each protocol, and how files are kept so that others read them."""

from __future__ import annotations

import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.credentials import EC2Credentials, OpenStackCredentials
from blocks.errors import CommandFailed, InvalidRequest, Unstorable
from blocks.storage import ObjectStorage, StorageResource
from blocks.storage.object_entries import PIECE
from blocks.tree import Entry, file
from tests.servers.s3 import S3
from tests.servers.swift import Swift
from tests.storage.object_storages import by_s3, by_swift, client, on_moto, with_settings
from tests.storage_contract import DAY, TREE, StorageContract, Zeros, picture

MAKERS = {"Swift's S3": (by_s3, "swift"), "Swift": (by_swift, "swift"), "moto": (on_moto, "s3")}


@pytest.fixture(params=MAKERS)
def storage(request: pytest.FixtureRequest) -> Iterator[ObjectStorage]:
    make, server = MAKERS[request.param]
    storage = make(request.getfixturevalue(server))
    yield storage
    storage.close()


class TestObjectStorage(StorageContract):
    def test_names_that_are_not_utf8_are_written(self, storage: StorageResource) -> None:
        """They can't be: no store has such keys."""
        with pytest.raises(Unstorable, match="UTF-8"):
            storage.write("odd/\udcff\udcfe", b"content")
        assert storage.list("") == []


def test_a_name_that_is_too_long_is_refused_and_others_are_not(storage: ObjectStorage) -> None:
    with pytest.raises(Unstorable, match="longer"):
        storage.collect("t", [file("a", b""), file("x" * 1100, b"")])
    assert not storage.exists("t")


def test_keys_that_look_like_parts_of_urls_are_names_like_others(storage: ObjectStorage) -> None:
    names = ["a b", "a+b", "a%20b", "a%2Fb", "?x=1&y=2", "#1", "\x01\r\t", "<&>", "..a", "日本"]
    storage.collect("odd", [file(name, name.encode()) for name in names])
    storage.collect("odd", [file(name, name.encode() * 2) for name in names])
    assert {entry.path: entry.content for entry in storage.tree("odd")} == {name: name.encode() * 2 for name in names}
    assert storage.list("odd") == sorted(names)
    storage.copy("odd", "odder")
    storage.remove("odd")
    assert storage.list("") == ["odder"]
    assert storage.list("odder") == sorted(names)


def test_files_between_small_and_large_go_out_when_memory_is_full(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.storage.object_landing._ROOM", 10_000)
    tree = [file(f"{number}", str(number).encode() * 2000) for number in range(12)]
    storage.collect("t", tree)
    assert {entry.path: b"".join(entry.blocks()) for entry in storage.tree("t")} == {each.path: each.content for each in tree}


def test_a_large_file_is_copied_and_replaced_with_all_of_its_parts(storage: ObjectStorage) -> None:
    size = 20 * 1024 * 1024
    storage.store("a", [Entry("zeros", "file", 0o640, DAY, size, Zeros())])
    storage.copy("a", "b")
    storage.store("a", [file("small", b"1")])
    (entry,) = storage.tree("b")
    assert (entry.mode, entry.modified, sum(len(block) for block in entry.blocks())) == (0o640, DAY, size)
    storage.write("b/zeros", b"2")
    assert picture(storage.tree("")).keys() == {"a", "a/small", "b", "b/zeros"}


def test_pieces_of_a_large_file_are_fetched_at_the_same_time(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 3 * PIECE + 1  # two pairs
    storage.store("a", [Entry("zeros", "file", size=size, content=Zeros())])
    (entry,) = storage.tree("a")
    met = threading.Barrier(2)
    store = type(storage.object_store(storage.bucket))
    fetch = store.fetch_range

    def together(*asked: Any) -> bytes:
        met.wait(250)
        return fetch(*asked)

    monkeypatch.setattr(store, "fetch_range", together)
    assert sum(len(block) for block in entry.blocks()) == size


def test_a_link_is_followed_inside_the_storage_and_not_out_of_it(storage: ObjectStorage) -> None:
    links = [("good", "../data/x"), ("folder", "../data"), ("gone", "nowhere"), ("out", "../../../../x"), ("loop", "loop")]
    storage.write("data/x", b"1")
    storage.store("links", [Entry(name, "link", target=target) for name, target in links])
    assert [name for name, _ in links if storage.exists(f"links/{name}")] == ["good", "folder"]
    assert storage.read("links/good") == b"1"


def test_a_file_is_no_folder(storage: ObjectStorage) -> None:
    storage.write("a", b"file")
    with pytest.raises(CommandFailed, match="not a folder"):
        storage.write("a/b/c", b"")
    assert storage.read("a") == b"file"


def test_others_see_files_as_objects_with_what_s3fs_knows(swift: Swift) -> None:
    storage = by_s3(swift)
    storage.store("t", TREE)
    seen = client(storage)
    found = seen.get_object(Bucket=storage.bucket, Key="some/where/t/bin/run.sh")
    assert found["Body"].read() == b"hi\n"
    assert found["Metadata"] == {"mode": str(stat.S_IFREG | 0o755), "mtime": str(int(DAY) + 1)}
    link = seen.get_object(Bucket=storage.bucket, Key="some/where/t/latest")
    assert (link["Body"].read(), link["Metadata"]["mode"]) == (b"data/raw", str(stat.S_IFLNK | 0o777))


def test_what_others_upload_is_read(s3: S3) -> None:
    storage = on_moto(s3)
    seen = client(storage)
    for key in ("some/where/in/a/b", "some/where/in/c", "some/where/in/folder/", "elsewhere"):
        seen.put_object(Bucket=storage.bucket, Key=key, Body=key.encode() if not key.endswith("/") else b"")
    tree = {entry.path: entry for entry in storage.tree("in")}
    assert {path: entry.kind for path, entry in tree.items()} == {"a": "folder", "a/b": "file", "c": "file", "folder": "folder"}
    assert (tree["c"].mode, tree["c"].content) == (0o644, b"some/where/in/c")
    assert abs(tree["c"].modified - time.time()) < 600
    seen.put_object(Bucket=storage.bucket, Key="some/where/in/c/d", Body=b"")
    with pytest.raises(CommandFailed, match="in/c/d"):
        list(storage.tree("in"))


def test_many_pages_of_names_are_read(s3: S3) -> None:
    storage = on_moto(s3)
    storage.collect("many", [file(f"{number}", b"") for number in range(2345)])
    assert storage.list("many") == sorted(str(number) for number in range(2345))
    assert len(list(storage.tree("many"))) == 2345


def test_a_store_that_takes_the_bucket_only_before_its_own_name_is_asked_so(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    resolve = socket.getaddrinfo

    def resolving(host: str, *given: Any, **more: Any) -> Any:
        if not host.endswith("amazonaws.com"):
            return resolve(host, *given, **more)
        asked.add(host)
        return resolve("127.0.0.1", *given, **more)

    made = on_moto(s3)
    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    endpoint = made.endpoint.replace("127.0.0.1", "s3.amazonaws.com")
    storage = with_settings(made, endpoint=endpoint, addressing="virtual")
    storage.store("t", [file("a", b"1"), file("b", b"2")])
    assert storage.list("t") == made.list("t") == ["a", "b"]
    assert asked == {f"{made.bucket}.s3.amazonaws.com"}


def test_both_protocols_of_swift_show_the_same_files(swift: Swift) -> None:
    mine = by_swift(swift)
    theirs = with_settings(by_s3(swift), bucket=mine.bucket)
    mine.store("t", [*TREE, Entry("zeros", "file", 0o644, DAY, 9_000_000, Zeros())])
    assert picture(theirs.tree("t")) == picture(mine.tree("t"))


@pytest.mark.parametrize("endpoint", ["http://my_minio:9000", "http://minio:port", "http://minio:99999", "http://[::1"])
def test_an_endpoint_that_is_no_address_is_told(endpoint: str) -> None:
    wrong = ObjectStorage(endpoint=endpoint, bucket="box", access_key="x", secret_key=SecretStr("x"))
    with pytest.raises(InvalidRequest, match="endpoint: ") as told:
        wrong.list("")
    assert endpoint in str(told.value)


@pytest.mark.parametrize("protocol", ["s3", "swift"])
def test_a_file_without_certificates_is_no_authority(protocol: str, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("my notes")
    wrong = ObjectStorage(
        protocol=protocol,
        endpoint="https://objects.example.org",
        bucket="box",
        access_key="x",
        secret_key=SecretStr("x"),
        authority_file=str(tmp_path / "notes"),
    )
    with pytest.raises(InvalidRequest, match=r"authority_file: .*/notes has no certificate that can be read"):
        wrong.list("")


def test_everything_wrong_with_the_settings_is_told_at_once() -> None:
    wrong = ObjectStorage(endpoint="objects.example.org", secret_key=SecretStr("x"), authority_file="/no/such")
    with pytest.raises(InvalidRequest) as told:
        wrong.list("")
    assert [problem.partition(":")[0] for problem in told.value.problems] == [
        "bucket",
        "endpoint",
        "authority_file",
        "access_key",
    ]
    swift = ObjectStorage(protocol="swift", bucket="b", session_token=SecretStr("x"), credentials=EC2Credentials())
    with pytest.raises(InvalidRequest) as told:
        swift.check()
    assert [problem.partition(":")[0] for problem in told.value.problems] == ["access_key", "credentials", "session_token"]
    with pytest.raises(InvalidRequest, match="protocol=swift"):
        ObjectStorage(bucket="b", credentials=OpenStackCredentials()).exists("x")
