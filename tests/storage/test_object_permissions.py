"""ObjectStorage with keys that may not do all, or that hold for some hours only, at an S3 that heeds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused, CommandFailed
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.servers.s3 import S3
from tests.storage_contract import DAY, Zeros

BUCKET = "results"
MEGABYTE = 1 << 20
WITHOUT_DELETING = ("s3:GetObject", "s3:HeadObject", "s3:PutObject", "s3:ListBucket", "s3:ListObjectsV2", "s3:HeadBucket")
OLD = {"a": b"old a", "b": b"old b"}


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[S3]:
    """An S3 of its own, for it is one for all who use it whether keys are heeded."""
    server = S3(tmp_path)
    server.start()
    server.make_bucket(BUCKET)
    yield server
    server.stop()


def storage(server: S3, key: str, secret: str, token: str = "") -> ObjectStorage:
    given = SecretStr(token) if token else None
    return ObjectStorage(
        endpoint=server.endpoint,
        bucket=BUCKET,
        path="some/where",
        access_key=key,
        secret_key=SecretStr(secret),
        session_token=given,
    )


def test_a_key_that_holds_for_some_hours_is_used_with_its_token_and_no_other(strict: S3) -> None:
    key, secret, token = strict.add_session("visitor", "s3:*")
    strict.heed_keys()
    right = storage(strict, key, secret, token)
    right.store("t", [file("a", b"1"), Entry("z", "file", 0o644, DAY, 9 * MEGABYTE, Zeros())])
    assert right.check()
    assert right.read("t/a") == b"1"
    right.close()
    for wrong in (storage(strict, key, secret, "Open-Sesame-1"), storage(strict, key, secret), storage(strict, key, "no", token)):
        with pytest.raises(AuthenticationRefused, match="does not accept the access key") as told:
            wrong.list("")
        assert not any(word in str(told.value) for word in ("Sesame", secret, token))
        wrong.close()


@pytest.fixture
def kept(strict: S3) -> Iterator[tuple[ObjectStorage, ObjectStorage]]:
    """The same folder, with something in it, for who may do all, and for who may not delete."""
    everything = strict.add_user("owner", "s3:*")
    limited = strict.add_user("writer", *WITHOUT_DELETING)
    strict.heed_keys()
    owner, writer = storage(strict, *everything), storage(strict, *limited)
    owner.store("t", [file(name, content) for name, content in OLD.items()])
    yield owner, writer
    owner.close()
    writer.close()


def test_a_key_that_may_not_delete_replaces_nothing_and_what_stood_there_stays_and_is_seen(
    kept: tuple[ObjectStorage, ObjectStorage],
) -> None:
    owner, writer = kept
    with pytest.raises(CommandFailed, match=r"gives no permission .*check the credentials, and what they may do there"):
        writer.store("t", [file("a", b"new"), file("c", b"new")])
    for each in (owner, writer):
        assert {entry.path: entry.content for entry in each.tree("t")} == OLD
        assert each.list("") == ["t"]


def test_a_key_that_may_not_delete_leaves_nothing_half_written(kept: tuple[ObjectStorage, ObjectStorage]) -> None:
    owner, writer = kept
    with pytest.raises(CommandFailed, match="gives no permission"):
        writer.store("new", [file("a", b"1"), file("b", b"2")])
    assert owner.list("") == ["t"]
    owner.store("new", [file("c", b"3")])
    assert [entry.path for entry in owner.tree("new")] == ["c"]


def test_a_key_that_may_not_delete_is_told_so_by_check_and_when_it_removes(kept: tuple[ObjectStorage, ObjectStorage]) -> None:
    owner, writer = kept
    for act in (writer.check, lambda: writer.remove("t")):
        with pytest.raises(CommandFailed, match="gives no permission"):
            act()
    assert {entry.path: entry.content for entry in owner.tree("t")} == OLD
    writer.write("x", b"1")  # which is one request
    assert owner.read("x") == b"1"
