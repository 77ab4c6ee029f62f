"""A process that is killed while it changes an object storage: nothing half-written is seen, and what it left goes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.servers.swift import Swift
from tests.storage.killed import REPLACE, REPOSITORY, UPLOAD, killed_while, settings_of, wait_until_still
from tests.storage.object_storages import PROTOCOLS, raw_keys, uploads, with_settings
from tests.storage_contract import Zeros, picture


@pytest.fixture(params=PROTOCOLS)
def storage(request: pytest.FixtureRequest, swift: Swift) -> Iterator[ObjectStorage]:
    storage = PROTOCOLS[request.param](swift)
    yield storage
    storage.close()


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


def test_an_upload_of_somebody_who_died_is_aborted(storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_while(storage, swift, lambda _keys: bool(uploads(storage, swift)), UPLOAD)
    assert uploads(storage, swift)
    monkeypatch.setattr("blocks.storage.object_abandoned.STALE", -60)
    with_settings(storage).write("x", b"")
    assert not uploads(storage, swift)
