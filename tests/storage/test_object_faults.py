"""ObjectStorage when something goes wrong: nothing half-written is seen, what passes is waited out, the rest is a sentence."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused, CommandFailed, ResourceError, Unreachable
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.servers.certificate import self_signed
from tests.servers.proxy import Proxy
from tests.servers.swift import Swift
from tests.storage.object_storages import PROTOCOLS, by_s3, by_swift, client, raw_keys, with_settings
from tests.storage_contract import Zeros

LARGE = 9_000_000  # bytes: two parts
CONTENT = b"a file of which a WORD is changed on the way"


@pytest.fixture(params=PROTOCOLS)
def storage(request: pytest.FixtureRequest, swift: Swift) -> Iterator[ObjectStorage]:
    storage = PROTOCOLS[request.param](swift)
    yield storage
    storage.close()


@pytest.fixture
def proxy(swift: Swift) -> Iterator[Proxy]:
    """A bad network before Swift."""
    proxy = Proxy(int(swift.endpoint.rpartition(":")[2]))
    yield proxy
    proxy.stop()


def through(proxy: Proxy, storage: ObjectStorage) -> ObjectStorage:
    return with_settings(storage, endpoint=re.sub(r":\d+", f":{proxy.port}", storage.endpoint))


def test_a_wrong_key_is_told_and_not_shown(storage: ObjectStorage) -> None:
    wrong = with_settings(storage, secret_key=SecretStr("Open-Sesame-1"))
    for ask in (wrong.check, lambda: wrong.list(""), lambda: wrong.write("x", b"")):
        with pytest.raises(AuthenticationRefused, match="does not accept") as told:
            ask()
        assert "Sesame" not in str(told.value)
    nobody = with_settings(storage, access_key="test:nobody")
    with pytest.raises(AuthenticationRefused, match="does not accept"):
        nobody.list("")


def test_an_endpoint_without_authentication_is_told_as_such(swift: Swift) -> None:
    wrong = ObjectStorage(
        protocol="swift", endpoint=swift.endpoint, bucket="box", access_key=swift.user, secret_key=SecretStr(swift.key)
    )
    with pytest.raises(CommandFailed, match="is not where Swift's authentication, version 1, is; check the endpoint"):
        wrong.check()


def test_who_may_do_nothing_is_told_so(storage: ObjectStorage, swift: Swift) -> None:
    with pytest.raises(CommandFailed, match="gives no permission"):
        with_settings(storage, access_key=swift.reader).write("x", b"")


def test_a_bucket_that_is_not_there_is_named(storage: ObjectStorage) -> None:
    gone = with_settings(storage, bucket="no-such-bucket")
    for ask in (gone.check, lambda: gone.list(""), lambda: gone.exists(""), lambda: list(gone.tree("x"))):
        with pytest.raises(CommandFailed, match="no-such-bucket"):
            ask()


def test_a_bucket_that_goes_while_files_arrive_is_named(swift: Swift) -> None:
    storage = by_s3(swift)

    def entries() -> Iterator[Entry]:
        yield file("a", b"")
        client(storage).delete_bucket(Bucket=storage.bucket)

    with pytest.raises(CommandFailed, match=storage.bucket):
        storage.collect("t", entries())


def test_a_certificate_is_verified_by_the_authority_that_is_named(storage: ObjectStorage, swift: Swift, tmp_path: Path) -> None:
    authority, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, key)
    proxy = Proxy(int(swift.endpoint.rpartition(":")[2]), tls)
    beyond = with_settings(through(proxy, storage), endpoint=through(proxy, storage).endpoint.replace("http:", "https:"))
    with pytest.raises(CommandFailed, match=r"certificate .* can't be verified \(self-signed certificate\); name its authority"):
        beyond.list("")
    if storage.protocol == "s3":  # this Swift's own authentication leads on to http
        assert with_settings(beyond, authority_file=str(authority)).check()
    proxy.stop()


def test_an_encrypted_endpoint_that_leads_on_to_one_without_is_not_followed(swift: Swift, tmp_path: Path) -> None:
    authority, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, key)
    proxy = Proxy(int(swift.endpoint.rpartition(":")[2]), tls)
    storage = through(proxy, by_swift(swift))
    beyond = with_settings(storage, endpoint=storage.endpoint.replace("http:", "https:"), authority_file=str(authority))
    with pytest.raises(CommandFailed, match=r"says that its object store is at http://.* unencrypted; ask its operator"):
        beyond.write("x", b"1")
    beyond.close()
    proxy.stop()


def test_an_address_where_nobody_is_is_doubted_soon(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.patience.DOUBT", 1.0)
    with pytest.raises(Unreachable, match="can't be reached; check the endpoint"):
        with_settings(storage, endpoint="http://127.0.0.1:9/auth/v1.0").list("")


def test_a_full_store_is_named_and_what_stood_there_stays(storage: ObjectStorage, swift: Swift) -> None:
    storage.store("t", [file(f"{number}", b"old") for number in range(20)])
    swift.limit(storage.bucket, 300_000)
    with pytest.raises(CommandFailed, match="is full"):
        storage.store("t", [*(file(f"{number}", b"new") for number in range(5, 25)), file("too-large", bytes(400_000))])
    assert {entry.path: entry.content for entry in storage.tree("t")} == {f"{number}": b"old" for number in range(20)}
    assert not [key for key in raw_keys(storage, swift) if ".chiminey" in key]


def test_a_file_that_is_damaged_once_is_sent_and_fetched_again(storage: ObjectStorage, proxy: Proxy) -> None:
    beyond = through(proxy, storage)
    beyond.list("")
    proxy.damage(b"WORD", b"word", 1)
    beyond.write("x", CONTENT)
    assert (proxy.damaged, storage.read("x")) == (1, CONTENT)
    proxy.damage(b"WORD", b"word", 1)
    assert beyond.read("x") == CONTENT
    proxy.damage(b"WORD", b"word", 1)
    assert [entry.content for entry in beyond.tree("")] == [CONTENT]
    assert proxy.damaged == 3


def test_a_small_file_that_went_in_parts_is_compared_too(
    storage: ObjectStorage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all do for which there was no room among many."""
    monkeypatch.setattr("blocks.storage.object_landing._ROOM", 0)
    storage.store("t", [file("x", CONTENT)])
    beyond = through(proxy, storage)
    beyond.list("")
    for read in (lambda: beyond.read("t/x"), lambda: next(entry.content for entry in beyond.tree("t"))):
        proxy.damage(b"WORD", b"word", 1)
        assert read() == CONTENT
        proxy.damage(b"WORD", b"word", 100)
        with pytest.raises(CommandFailed, match="damaged on the way"):
            read()
        proxy.damage(b"", b"", 0)


def test_a_file_of_several_parts_that_is_read_at_once_is_compared(storage: ObjectStorage, proxy: Proxy) -> None:
    marked = bytes(LARGE - 50) + b"only one place of it is so" + bytes(24)
    storage.store("t", [Entry("large", "file", size=LARGE, content=marked)])
    beyond = through(proxy, storage)
    assert beyond.read("t/large") == marked
    proxy.damage(b"only one place", b"ONLY one place", 100)
    with pytest.raises(CommandFailed, match="damaged on the way"):
        beyond.read("t/large")


def test_a_file_that_is_always_damaged_is_refused(storage: ObjectStorage, proxy: Proxy) -> None:
    beyond = through(proxy, storage)
    storage.write("x", CONTENT)
    proxy.damage(b"WORD", b"word", 100)
    with pytest.raises(CommandFailed, match="damaged on the way"):
        beyond.read("x")
    with pytest.raises(CommandFailed, match="damaged on the way"):
        beyond.write("y", CONTENT)
    assert storage.list("") == ["x"]


def test_a_large_file_that_is_damaged_is_refused_at_its_end(storage: ObjectStorage, proxy: Proxy) -> None:
    marked = bytes(LARGE - 50) + b"only one place of it is so" + bytes(24)
    storage.store("t", [Entry("large", "file", size=LARGE, content=marked)])
    (entry,) = through(proxy, storage).tree("t")
    proxy.damage(b"only one place", b"ONLY one place", 100)
    with pytest.raises(CommandFailed, match="damaged on the way"):
        list(entry.blocks())


def test_metadata_are_understood_however_a_server_writes_their_names(swift: Swift, proxy: Proxy) -> None:
    storage = by_s3(swift)
    entries = [Entry("link", "link", target="run.sh"), Entry("run.sh", "file", 0o750, size=len(CONTENT), content=CONTENT)]
    storage.store("t", entries)
    proxy.damage(b"meta-mode: ", b"Meta-Mode: ", times=2)
    link, program = through(proxy, storage).tree("t")
    assert (link.kind, link.target, program.mode, proxy.damaged) == ("link", "run.sh", 0o750, 2)


def test_a_connection_that_is_cut_is_made_again(storage: ObjectStorage, proxy: Proxy) -> None:
    beyond = through(proxy, storage)
    proxy.cut_at(b"WORD", 2)
    beyond.write("x", CONTENT)
    assert storage.read("x") == CONTENT
    proxy.cut_at(b"WORD", 2)
    assert beyond.read("x") == CONTENT
    assert proxy.cut == 4


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_list_of_which_only_the_head_of_the_answer_comes_is_asked_for_again(
    swift: Swift, proxy: Proxy, tells_length: bool
) -> None:
    storage = by_s3(swift)
    storage.store("t", [file("a", b"1"), file("b", b"2")])
    beyond = through(proxy, storage)
    assert beyond.list("t") == ["a", "b"]
    if not tells_length:
        proxy.damage(b"Content-Length", b"Content-Weight", times=2)
    proxy.cut_behind_head(b"<ListBucketResult", times=2)
    assert beyond.list("t") == ["a", "b"]
    assert (proxy.cut, proxy.damaged) == (2, 0 if tells_length else 2)
    beyond.close()
    storage.close()


def test_a_store_that_is_away_for_some_seconds_is_waited_for(storage: ObjectStorage, swift: Swift) -> None:
    class Meanwhile(Zeros):
        sent = 0

        def read(self, size: int, /) -> bytes:
            before, self.sent = self.sent, self.sent + size
            if before < 20_000_000 <= self.sent:
                swift.go_away()
            if before < 40_000_000 <= self.sent:
                time.sleep(3)
                swift.come_back()
            return super().read(size)

    storage.store("t", [Entry("zeros", "file", size=50_000_000, content=Meanwhile())])
    (entry,) = storage.tree("t")
    assert sum(len(block) for block in entry.blocks()) == 50_000_000


def test_what_stood_there_stays_where_there_is_no_room_to_copy_it_aside(storage: ObjectStorage, swift: Swift) -> None:
    storage.store("t", [file(f"{number}", bytes(10_000)) for number in range(20)])
    swift.limit(storage.bucket, 150_000)
    with pytest.raises(CommandFailed, match="is full"):
        storage.store("t", [file("a", b"new"), file("b", b"new")])
    swift.limit(storage.bucket, None)
    assert storage.list("t") == sorted(str(number) for number in range(20))
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


def test_no_sentence_tells_more_than_where_and_what(storage: ObjectStorage, swift: Swift) -> None:
    for wrong in ({"bucket": "no-such-bucket"}, {"access_key": swift.reader}, {"access_key": "x"}):
        with pytest.raises(ResourceError) as told:
            with_settings(storage, **wrong).check()
        assert swift.key not in str(told.value)
        assert "Signature=" not in str(told.value)
