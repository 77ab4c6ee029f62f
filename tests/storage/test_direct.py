"""Large outputs that hosts send to the object store themselves, where the user allows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import ChimineyError, InvalidRequest
from blocks.remote.held import HeldFile
from blocks.storage import ObjectStorage
from blocks.storage.object_entries import RemoteObject
from blocks.storage.object_s3 import S3Store
from blocks.storage.object_store import Signed
from blocks.tree import Entry
from flows import Reliability
from flows.result import RunResult
from flows.run import Run
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.servers.s3 import S3
from tests.servers.sshd import SSHD
from tests.servers.swift import Swift
from tests.storage.object_storages import by_s3, on_moto, with_settings

pytestmark = pytest.mark.ssh

SIZE = 20 * 1024 * 1024
MAIN = f"""
cd "$2" && mkdir -p "some where" && echo small >small
head -c {SIZE} /dev/zero | tr '\\0' "$CHIMINEY_TASK_ID" >"some where/é large"
[ "$CHIMINEY_TASK_ID" -lt 3 ]
"""


@pytest.fixture(params=["Swift", "moto"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """A direct storage whose keys are those of this machine."""
    if request.param == "Swift":
        swift: Swift = request.getfixturevalue("swift")
        known = by_s3(swift)
    else:
        s3: S3 = request.getfixturevalue("s3")
        known = on_moto(s3)
    assert known.secret_key is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", known.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", known.secret_key.get_secret_value())
    storage = with_settings(known, access_key="", secret_key=None, direct=True)
    yield storage
    storage.close()


def go(lab: Lab, store: ObjectStorage, host: SSHD, folder: Path) -> RunResult:
    lab.storage = store
    return lab.go(connector(folder, MAIN, sweep={"n": [1, 2, 3]}), unix(host), reliability=Reliability(maximum_retry=0))


def test_a_large_file_does_not_pass_through_this_machine(
    store: ObjectStorage, sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(HeldFile, "read", lambda _self, _size: read.append("read"))
    lab = Lab(tmp_path)
    result = go(lab, store, sshd, tmp_path)

    assert (result.state, result.tasks.completed, read) == ("completed-with-failures", 2, [])
    tree = {entry.path: entry for entry in store.tree(f"{result.name}/output")}
    assert tree.keys() >= {"1/small", "1/some where/é large", "2/some where/é large"}
    crate = json.loads(store.read(f"{result.name}/ro-crate-metadata.json"))
    known = {entity["@id"]: entity.get("sha256") for entity in crate["@graph"]}
    for task, place in ((1, "output_0/1"), (2, "output_0/2"), (3, "failed_0/3.1")):
        (entry,) = [each for each in store.tree(f"{result.name}/{place}") if each.path == "some where/é large"]
        content = b"".join(entry.blocks())
        assert content == f"{task}".encode() * SIZE
        assert known[f"{place}/some%20where/%C3%A9%20large"] == hashlib.sha256(content).hexdigest()


def test_a_host_that_can_not_reach_the_store_sends_through_this_machine(
    store: ObjectStorage, sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = S3Store.signed_part

    def unreachable(*asked: object) -> Signed | None:
        found = signed(*asked)  # pyright: ignore[reportArgumentType]
        assert found is not None
        return replace(found, url=f"http://127.0.0.1:9/{found.url.partition('://')[2].partition('/')[2]}")

    monkeypatch.setattr(S3Store, "signed_part", unreachable)
    lab = Lab(tmp_path)
    result = go(lab, store, sshd, tmp_path)

    assert result.tasks.completed == 2
    (warning,) = [message for message in lab.view.messages if "through this machine" in message]
    assert "Failed to connect" in warning
    assert "Signature" not in warning
    (entry,) = [each for each in store.tree(f"{result.name}/output_0/2") if each.path == "some where/é large"]
    assert b"".join(entry.blocks()) == b"2" * SIZE


def go_on(lab: Lab, store: ObjectStorage, host: SSHD, folder: Path) -> RunResult:
    """A run whose tasks tell of a large input, and of a small one."""
    for name in ("one", "two"):
        tree = [
            Entry("small", "file", 0o644, 1.0, 5, b"small"),
            Entry(" é 'large' ", "file", 0o755, 1_700_000_000.0, SIZE, (name[0].encode() * SIZE)),
        ]
        store.store(f"input/{name}", tree)
    main = 'cd "$1" && md5sum <" é \'large\' " >"../$2/sum" && ls -l | grep large >"../$2/listed" && cat small'
    lab.storage = store
    given = with_settings(store, path=f"{store.path}/input")
    return lab.go(connector(folder, main), unix(host), input=given)


def told(store: ObjectStorage, result: RunResult, task: int) -> tuple[str, str]:
    """The checksum of the input that a task had, and what ls said of it."""
    sums, listed = (store.read(f"{result.name}/output/{task}/{name}").decode() for name in ("sum", "listed"))
    return sums.split()[0], listed


def test_a_large_input_does_not_pass_through_this_machine_on_its_way_to_a_host(
    store: ObjectStorage, sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    piece = RemoteObject.read

    def counted(self: RemoteObject, size: int, /) -> bytes:
        read.append("read")
        return piece(self, size)

    monkeypatch.setattr(RemoteObject, "read", counted)
    deliver = Run.deliver

    def watched(*given: object) -> None:
        read.clear()  # the copy of the input that is kept with the results went through it
        deliver(*given)  # pyright: ignore[reportArgumentType]
        assert read == []

    monkeypatch.setattr(Run, "deliver", watched)
    lab = Lab(tmp_path)
    result = go_on(lab, store, sshd, tmp_path)

    assert result.tasks.completed == 2
    for task, name in ((1, b"o"), (2, b"t")):
        checksum, listed = told(store, result, task)
        assert checksum == hashlib.md5(name * SIZE).hexdigest()
        assert listed.startswith("-rwx")


def test_a_host_that_can_not_fetch_gets_its_input_from_this_machine(
    store: ObjectStorage, sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Store, "signed", lambda _self, _key: "http://127.0.0.1:9/x?Signature=y")
    lab = Lab(tmp_path)
    result = go_on(lab, store, sshd, tmp_path)

    assert [told(store, result, task)[0] for task in (1, 2)] == [hashlib.md5(name * SIZE).hexdigest() for name in (b"o", b"t")]
    (warning,) = [message for message in lab.view.messages if "went through this machine" in message]
    assert "Failed to connect" in warning
    assert "Signature" not in warning


def test_a_large_input_that_came_as_another_one_is_sent_through_this_machine(
    store: ObjectStorage, sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = S3Store.signed
    monkeypatch.setattr(S3Store, "signed", lambda self, key: signed(self, key.replace("/one/", "/two/")))
    lab = Lab(tmp_path)
    result = go_on(lab, store, sshd, tmp_path)

    assert [told(store, result, task)[0] for task in (1, 2)] == [hashlib.md5(name * SIZE).hexdigest() for name in (b"o", b"t")]
    (warning,) = [message for message in lab.view.messages if "went through this machine" in message]
    assert "large' came with another SHA-256 than it had when the run began" in warning


def test_a_large_input_that_was_changed_after_the_run_had_begun_reaches_no_host(
    store: ObjectStorage, sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver = Run.deliver

    def changed(run: Run, *given: Any) -> None:
        other = Entry(" é 'large' ", "file", 0o755, 1_700_000_000.0, SIZE, b"x" * SIZE)
        store.collect(f"{run.folder}/input_0/one", [other])
        deliver(run, *given)

    monkeypatch.setattr(Run, "deliver", changed)
    with pytest.raises(ChimineyError, match="input_0/one/ é 'large'  is not as it was when the run began"):
        go_on(Lab(tmp_path), store, sshd, tmp_path)
    assert not list(sshd.home.rglob("inputs"))


def test_swifts_own_protocol_has_no_signed_addresses() -> None:
    storage = ObjectStorage(protocol="swift", endpoint="http://127.0.0.1:9/auth", bucket="b", access_key="a", direct=True)
    with pytest.raises(InvalidRequest, match="direct: only protocol=s3 has signed addresses"):
        storage.check()
