"""ObjectStorage when something goes wrong: nothing half-written is seen, what passes is waited out, the rest is a sentence."""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused, CommandFailed, ResourceError, Unreachable
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.servers.certificate import self_signed
from tests.servers.proxy import Proxy
from tests.servers.swift import ANSWER_SECONDS, Swift
from tests.storage.object_storages import by_s3, by_swift, client, with_settings
from tests.storage_contract import Zeros, picture

REPLACE = """
import sys
from pydantic import SecretStr
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.storage.controller import die_at
from tests.storage_contract import Zeros
settings = eval(sys.argv[1])
storage = ObjectStorage(**{**settings, "secret_key": SecretStr(settings["secret_key"])})
die_at(int(sys.argv[2]), "before")
storage.collect("results", [file("1/new", b"new"), Entry("1/large", "file", size=9_000_000, content=Zeros())])
"""

WHILE_IT_APPEARS = {"s3": "7", "swift": "8"}  # the change at which one file is seen, and the other not
BEFORE_EITHER_APPEARS = {"s3": "6", "swift": "7"}  # the files are sent by two threads, of which either may be first
WHILE_IT_REPLACES = {"s3": "10", "swift": "11"}  # the same, where another one made room for them
REPOSITORY = Path(__file__).parents[2]
LARGE = 9_000_000  # bytes: two parts
CONTENT = b"a file of which a WORD is changed on the way"
MAKERS = {"by S3's protocol": by_s3, "by Swift's": by_swift}

COLLECT = """
import sys
from pydantic import SecretStr
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.storage_contract import Zeros
settings = eval(sys.argv[1])
storage = ObjectStorage(**{**settings, "secret_key": SecretStr(settings["secret_key"])})
entries = [Entry("kept/large", "file", size=9_000_000, content=Zeros())]
entries += [file(f"{task}/{number}", b"new") for task in ("kept", "new") for number in range(2000)]
storage.collect("results", entries)
"""
UPLOAD = """
import sys
import time
from pydantic import SecretStr
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
class Stalling:
    given = 0
    def read(self, size):
        if self.given >= 8_388_608:
            time.sleep(1_000_000)
        size = min(size, 8_388_608 - self.given)
        self.given += size
        return bytes(size)
settings = eval(sys.argv[1])
storage = ObjectStorage(**{**settings, "secret_key": SecretStr(settings["secret_key"])})
storage.collect("results", [Entry("kept/large", "file", size=18_000_000, content=Stalling())])
"""


@pytest.fixture(params=MAKERS)
def storage(request: pytest.FixtureRequest, swift: Swift) -> Iterator[ObjectStorage]:
    storage = MAKERS[request.param](swift)
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


@pytest.mark.slow
def test_a_process_that_is_killed_while_files_appear_leaves_nothing_half_visible(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.collect("results", [file("kept/old", b"old"), file("other/x", b"")])
    killed_while(storage, swift, lambda keys: sum("/results/new/" in key for key in keys) > 100)
    assert storage.list("results") == ["other"]
    assert not storage.exists("results/kept")
    assert not storage.exists("results/new/0")
    assert picture(storage.tree("")).keys() == {"results", "results/other", "results/other/x"}
    storage.write("elsewhere", b"")
    assert storage.list("results") == ["other"]  # somebody may still be writing

    monkeypatch.setattr("blocks.storage.object_journal.ABANDONED", 0)
    storage.write("elsewhere", b"")
    assert storage.list("results") == ["kept", "other"]
    assert storage.read("results/kept/old") == b"old"
    assert storage.list("results/kept") == ["old"]
    assert not [key for key in raw_keys(storage, swift) if ".chiminey" in key]


@pytest.mark.slow
def test_what_a_killed_process_was_writing_is_written_by_the_next(storage: ObjectStorage, swift: Swift) -> None:
    storage.collect("results", [file("kept/old", b"old")])
    killed_while(storage, swift, lambda keys: sum("/results/new/" in key for key in keys) > 100)
    storage.collect("results", [file("kept/1", b"1"), file("new/2", b"2")])
    assert picture(storage.tree("results")).keys() == {"kept", "kept/1", "new", "new/2"}
    assert not [key for key in raw_keys(storage, swift) if ".chiminey" in key]


def wait_until_still(storage: ObjectStorage, swift: Swift) -> None:
    """What a process had asked for may be done some time after it was killed, however slow the disk is."""
    seen: list[object] = []
    while len(seen) < 3 or seen[-1] != seen[-3]:
        seen.append((raw_keys(storage, swift), uploads(storage, swift)))
        time.sleep(0.1)


def killed_at(storage: ObjectStorage, swift: Swift, moment: str) -> None:
    """Have another process replace what there is, and end before this change of the bucket: its journal is left."""
    words = [sys.executable, "-c", REPLACE, repr(settings_of(storage, swift)), moment]
    assert subprocess.run(words, cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    wait_until_still(storage, swift)
    assert [key for key in raw_keys(storage, swift) if key.endswith("/journal")]


@pytest.mark.slow
def test_whatever_a_killed_process_left_goes_when_the_same_is_written_again(storage: ObjectStorage, swift: Swift) -> None:
    old = [file("1/old", b"old"), Entry("1/large", "file", size=9_000_000, content=Zeros())]
    moment, ended = 0, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        storage.collect("results", old)
        moment += 1
        words = [sys.executable, "-c", REPLACE, repr(settings_of(storage, swift)), str(moment)]
        ended = subprocess.run(words, cwd=REPOSITORY, check=False).returncode
        wait_until_still(storage, swift)
        assert not storage.exists("results/1") or picture(storage.tree("results")).keys() in (
            {"1", "1/old", "1/large"},
            {"1", "1/new", "1/large"},
        )
        with_settings(storage).collect("results", [file("1/last", b"last")])
        assert picture(storage.tree("results")).keys() == {"1", "1/last"}
        assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == [], f"killed at {moment}"
        assert uploads(storage, swift) == [], f"killed at {moment}"
    assert ended == 0
    assert moment > 8


def test_what_stood_there_stays_where_there_is_no_room_to_copy_it_aside(storage: ObjectStorage, swift: Swift) -> None:
    storage.store("t", [file(f"{number}", bytes(10_000)) for number in range(20)])
    swift.limit(storage.bucket, 150_000)
    with pytest.raises(CommandFailed, match="is full"):
        storage.store("t", [file("a", b"new"), file("b", b"new")])
    swift.limit(storage.bucket, None)
    assert storage.list("t") == sorted(str(number) for number in range(20))
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


@pytest.mark.parametrize("place", ["results", "results/1/deep"])
def test_what_a_killed_process_was_writing_does_not_undo_what_is_written_above_or_below_it_later(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    killed_at(storage, swift, WHILE_IT_APPEARS[storage.protocol])

    storage.store(place, [file("1/deep/later", b"later"), file("other", b"")])
    assert storage.read(f"{place}/1/deep/later") == b"later"
    monkeypatch.setattr("blocks.storage.object_journal.ABANDONED", 0)
    storage.write("elsewhere", b"")
    assert storage.read(f"{place}/1/deep/later") == b"later"
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


@pytest.mark.parametrize("fault", [Unreachable("the store is away"), CommandFailed("no permission")])
def test_copies_that_can_not_be_removed_fail_nothing_and_go_with_the_next_landing(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch, fault: ResourceError
) -> None:
    def refuse(delete: Callable[[], None], is_journal: bool) -> None:
        if not is_journal:
            raise fault
        delete()

    storage.store("t", [file("old", b"old"), file("both", b"old")])
    with monkeypatch.context() as broken:
        after_the_journal(storage, broken, refuse)
        storage.store("t", [file("both", b"new"), file("new", b"new")])
    assert {entry.path: entry.content for entry in storage.tree("t")} == {"both": b"new", "new": b"new"}
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key]

    storage.store("t", [file("last", b"")])
    assert storage.list("t") == ["last"]
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


@pytest.mark.parametrize("of_the_journal", [True, False])
@pytest.mark.parametrize("fault", [Unreachable("the answer was lost"), KeyboardInterrupt()])
def test_nothing_is_taken_back_once_the_journal_is_gone(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch, fault: BaseException, of_the_journal: bool
) -> None:
    faults = iter([fault])

    def fail_once(delete: Callable[[], None], is_journal: bool) -> None:
        delete()
        if is_journal is of_the_journal:
            for each in faults:
                raise each

    storage.store("t", [file("old", b"old"), file("both", b"old")])
    with monkeypatch.context() as broken, suppress(Unreachable, KeyboardInterrupt):
        after_the_journal(storage, broken, fail_once)
        storage.store("t", [file("both", b"new"), file("new", b"new")])
    assert {entry.path: entry.content for entry in storage.tree("t")} == {"both": b"new", "new": b"new"}
    storage.store("t", [file("last", b"")])
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


def after_the_journal(
    storage: ObjectStorage, broken: pytest.MonkeyPatch, act: Callable[[Callable[[], None], bool], None]
) -> None:
    """Have ``act`` do what deletes a journal, and each deletion after it; it is told whether it is the journal's."""
    store = type(storage.object_store(storage.bucket))
    delete = store.delete
    is_over = False

    def deleting(self: Any, objects: Any) -> None:
        nonlocal is_over
        is_journal = any(each.key.endswith("/journal") for each in objects)
        is_over = is_over or is_journal
        if is_over:
            act(partial(delete, self, objects), is_journal)
        else:
            delete(self, objects)

    broken.setattr(store, "delete", deleting)


def test_what_a_killed_process_was_writing_is_taken_back_from_all_of_a_folder(storage: ObjectStorage, swift: Swift) -> None:
    storage.collect("results", [file("1/old", b"old")])
    killed_at(storage, swift, WHILE_IT_REPLACES[storage.protocol])
    successor = with_settings(storage)

    successor.recover("another")
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key]
    successor.recover("results")
    assert picture(storage.tree("results")).keys() == {"1", "1/old"}
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []
    assert uploads(storage, swift) == []


def test_a_clock_of_this_machine_that_is_wrong_makes_nobody_seem_dead(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(storage, swift, BEFORE_EITHER_APPEARS[storage.protocol])
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 7200)
    with_settings(storage).write("elsewhere", b"")
    assert [key for key in raw_keys(storage, swift) if key.endswith("/journal")]
    assert uploads(storage, swift)


def test_a_change_that_waits_for_one_large_file_is_seen_to_go_on(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.storage.object_journal._REWRITTEN", 0.2)
    monkeypatch.setattr("blocks.storage.team.PAUSE", 0.1)
    store = type(storage.object_store(storage.bucket))
    put = store.put
    signs = threading.Semaphore(0)
    seen: list[bool] = []

    def putting(self: Any, key: str, content: bytes, metadata: Any) -> None:
        if key.endswith("/large"):
            seen.extend(signs.acquire(timeout=250) for _ in range(4))
        put(self, key, content, metadata)
        if key.endswith("/journal"):
            signs.release()

    monkeypatch.setattr(store, "put", putting)
    storage.store("t", [file("large", b""), file("small", b"")])
    assert seen == [True] * 4


def test_what_is_taken_back_is_seen_to_be_at_work(storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.collect("results", [file("1/old", b"old")])
    killed_at(storage, swift, WHILE_IT_REPLACES[storage.protocol])
    signs: list[str] = []
    store = type(storage.object_store(storage.bucket))
    put, copy = store.put, store.copy

    def copying(self: Any, source: Any, target: str) -> None:
        assert signs
        copy(self, source, target)

    monkeypatch.setattr(store, "put", lambda self, key, *given: (signs.append(key), put(self, key, *given)))
    monkeypatch.setattr(store, "copy", copying)
    with_settings(storage).recover("results")
    assert storage.read("results/1/old") == b"old"


def test_an_upload_of_somebody_who_died_is_aborted(storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_while(storage, swift, lambda _keys: bool(uploads(storage, swift)), UPLOAD)
    assert uploads(storage, swift)
    monkeypatch.setattr("blocks.storage.object_abandoned.STALE", -60)
    with_settings(storage).write("x", b"")
    assert not uploads(storage, swift)


def killed_while(storage: ObjectStorage, swift: Swift, is_time: Any, program: str = COLLECT) -> None:
    """Have another process collect, and kill it when the raw keys are so."""
    with subprocess.Popen([sys.executable, "-c", program, repr(settings_of(storage, swift))], cwd=REPOSITORY) as process:
        while not is_time(raw_keys(storage, swift)):
            assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
    wait_until_still(storage, swift)


def settings_of(storage: ObjectStorage, swift: Swift) -> dict[str, str]:
    """What another process makes it of."""
    settings = {name: getattr(storage, name) for name in ("protocol", "endpoint", "bucket", "path", "access_key")}
    return settings | {"secret_key": swift.key}


def raw_keys(storage: ObjectStorage, swift: Swift) -> list[str]:
    """All objects of the bucket, as others see them."""
    pages = raw(storage, swift).get_paginator("list_objects_v2").paginate(Bucket=storage.bucket)
    return [found["Key"] for page in pages for found in page.get("Contents", ())]


def uploads(storage: ObjectStorage, swift: Swift) -> list[str]:
    """The ids of those that are not completed."""
    if storage.protocol == "s3":
        return [each["UploadId"] for each in raw(storage, swift).list_multipart_uploads(Bucket=storage.bucket).get("Uploads", ())]
    token, url = swift.log_in()
    found = httpx.get(f"{url}/{storage.bucket}_segments?prefix=uploads/", headers={"X-Auth-Token": token}, timeout=ANSWER_SECONDS)
    return found.text.split() if found.status_code == 200 else []


def raw(storage: ObjectStorage, swift: Swift) -> Any:
    return client(with_settings(storage, protocol="s3", endpoint=swift.endpoint))


def test_no_sentence_tells_more_than_where_and_what(storage: ObjectStorage, swift: Swift) -> None:
    for wrong in ({"bucket": "no-such-bucket"}, {"access_key": swift.reader}, {"access_key": "x"}):
        with pytest.raises(ResourceError) as told:
            with_settings(storage, **wrong).check()
        assert swift.key not in str(told.value)
        assert "Signature=" not in str(told.value)
