"""LocalStorage: the contract, and what is particular to a disk of this machine."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from benchmarks.table import best
from blocks.errors import CommandFailed, NotFound, ResourceError
from blocks.storage import LocalStorage
from blocks.storage.resource import INCOMING
from blocks.tree import Entry, file, folder, walk
from tests.storage_contract import TREE, StorageContract, picture


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(path=str(tmp_path / "base"))


class TestLocalStorage(StorageContract):
    pass


def test_a_path_says_where_it_is(storage: LocalStorage) -> None:
    assert storage.describe("a/b") == f"{storage.path}/a/b"
    assert LocalStorage(path="~/results").describe() == str(Path.home() / "results")


def test_the_home_of_a_user_who_is_not_there_is_told() -> None:
    storage = LocalStorage(path="~nobody-like-it/results")
    for act in (storage.describe, lambda: storage.exists("a"), lambda: storage.write("a", b"1"), storage.check):
        with pytest.raises(NotFound, match="this machine knows no home folder ~nobody-like-it"):
            act()


def test_files_of_this_machine_are_copied(storage: LocalStorage, tmp_path: Path) -> None:
    LocalStorage(path=str(tmp_path)).store("source", TREE)
    storage.store("copy", walk(tmp_path / "source"))
    assert picture(storage.tree("copy")) == picture(TREE)


def test_a_file_of_this_machine_that_has_gone_is_named_and_nothing_appears(storage: LocalStorage, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(CommandFailed, match=f"{gone} can't be read"):
        storage.store("copy", [file("there", b""), Entry("gone", "file", size=4, content=gone)])
    assert storage.list("") == []


def test_a_full_disk_is_named_and_left_clean(small_disk: Path) -> None:
    storage = LocalStorage(path=str(small_disk))
    with pytest.raises(CommandFailed, match="disk is full"):
        storage.store("big", [file("a", bytes(2_000_000))])
    assert list(small_disk.iterdir()) == []


def test_what_a_killed_process_left_goes_after_a_day(storage: LocalStorage) -> None:
    storage.write("here", b"")
    old, fresh = (Path(storage.describe()) / INCOMING / name for name in ("old", "fresh"))
    for slot in (old, fresh):
        (slot / "new").mkdir(parents=True)
    os.utime(old, (time.time() - 90_000,) * 2)
    assert storage.list("") == ["here"]
    storage.write("again", b"")
    assert fresh.exists()
    assert not old.exists()


@pytest.mark.parametrize("moment", ["while files arrive", "while they take the place of others"])
def test_what_a_killed_writer_left_goes_and_what_had_made_room_for_it_comes_back(storage: LocalStorage, moment: str) -> None:
    storage.collect("run/output_0", [file("1/answer", b"old"), file("2/answer", b"old")])
    killed_while_it_writes(storage, moment)
    left = [path.parent.relative_to(storage.path) for path in Path(storage.path).rglob(INCOMING)]
    assert left == [Path("run/output_0")]

    storage.recover("run")
    assert {entry.path: entry.kind for entry in storage.tree("run/output_0")} == {
        "1": "folder",
        "1/answer": "file",
        "2": "folder",
        "2/answer": "file",
    }
    assert storage.read("run/output_0/2/answer") == b"old"
    assert list(Path(storage.path).rglob(INCOMING)) == []


def test_what_had_made_room_comes_back_a_day_after_its_writer_was_killed(storage: LocalStorage) -> None:
    storage.collect("run/output_0", [file("2/answer", b"old")])
    killed_while_it_writes(storage, "while they take the place of others")
    (slot,) = (Path(storage.describe("run/output_0")) / INCOMING).iterdir()
    os.utime(slot, (time.time() - 90_000,) * 2)
    storage.write("run/output_0/3", b"")
    assert storage.read("run/output_0/2/answer") == b"old"


def test_what_others_have_on_its_way_beside_a_folder_or_deep_in_it_is_left_to_them(storage: LocalStorage) -> None:
    storage.recover("run")
    others = [Path(storage.describe(path)) / INCOMING / "slot" / "new" for path in ("", "other", "run/output_0/1")]
    for each in others:
        each.mkdir(parents=True)
    storage.recover("run")
    assert all(each.exists() for each in others)


DYING = """
import os, sys
from blocks.storage import LocalStorage
from blocks.tree import file

place, moment = sys.argv[1:]
rename = os.rename

def entries():
    yield file("2/answer", b"new")
    if moment == "while files arrive":
        os._exit(0)

def dying(source, target):
    rename(source, target)
    if "/old-" in target:
        os._exit(0)

os.rename = dying
LocalStorage(path=place).collect("run/output_0", entries())
sys.exit("it has lived")
"""


def killed_while_it_writes(storage: LocalStorage, moment: str) -> None:
    """Have another process replace a task's output, and die."""
    subprocess.run([sys.executable, "-c", DYING, storage.path, moment], check=True)


def test_a_leftover_that_can_not_be_removed_fails_nothing(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_path: object, **_more: object) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    with monkeypatch.context() as nfs:
        nfs.setattr(os, "rmdir", busy)
        storage.store("t", [file("a", b"1")])
        storage.store("t", [file("a", b"2")])
    assert storage.list("") == ["t"]
    assert storage.read("t/a") == b"2"


@pytest.mark.scale
@pytest.mark.slow
def test_ten_thousand_outputs_cost_little_more_than_plain_writing(storage: LocalStorage, tmp_path: Path) -> None:
    names = [(task, name) for task in range(10_000) for name in ("a", "b")]
    outputs = [file(f"{task}/chiminey_output/{name}", b"1234") for task, name in names]
    numbers = count(1)

    def collected() -> None:
        storage.collect(f"output_{next(numbers)}", outputs)

    def plain() -> None:
        folder = tmp_path / f"plain-{next(numbers)}"
        for task, name in names:
            (folder / f"{task}/chiminey_output").mkdir(parents=True, exist_ok=True)
            (folder / f"{task}/chiminey_output/{name}").write_bytes(b"1234")

    ours, theirs = best(collected, plain, enough=3)
    assert ours <= 3 * theirs, f"{ours:.1f} s, plain writing {theirs:.1f} s"


def test_another_writer_that_finishes_at_that_very_moment_stands_in_nobodys_way(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, calls = os.mkdir, count(1)

    def finishing(path: str, mode: int = 0o777) -> None:
        if str(path).endswith(f"/{INCOMING}") and next(calls) == 1:
            raise FileExistsError(errno.EEXIST, "it was there", path)  # and is gone when it is looked at
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", finishing)
    storage.store("place", [file("a", b"1")])
    assert (tmp_path / "base/place/a").read_bytes() == b"1"


@pytest.mark.parametrize("stands_there", ["file", "link"])
def test_what_stands_in_the_way_of_a_folder_is_named(storage: LocalStorage, tmp_path: Path, stands_there: str) -> None:
    if stands_there == "file":
        (tmp_path / "base").touch()
    else:
        (tmp_path / "base").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ResourceError, match="base"):
        storage.store("place", [file("a", b"1")])


def test_an_alias_is_a_folder_that_every_tool_finds_and_takes_no_second_room(tmp_path: Path) -> None:
    storage = LocalStorage(path=str(tmp_path))
    storage.store("output_0", [file("1/answer", b"42"), folder("2")])

    storage.alias("output_0", "output")

    assert not (tmp_path / "output").is_symlink()
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["1", "2"]
    assert (tmp_path / "output" / "1" / "answer").samefile(tmp_path / "output_0" / "1" / "answer")
