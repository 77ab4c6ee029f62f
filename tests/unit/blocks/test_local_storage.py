"""LocalStorage: the contract, and what is particular to a disk of this machine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import CommandFailed
from blocks.storage import LocalStorage
from blocks.storage.resource import INCOMING
from blocks.tree import file, folder, walk
from tests.storage_contract import TREE, StorageContract, picture


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(path=str(tmp_path / "base"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


class TestLocalStorage(StorageContract):
    pass


def test_a_path_says_where_it_is(storage: LocalStorage) -> None:
    assert storage.describe("a/b") == f"{storage.path}/a/b"
    assert LocalStorage(path="~/results").describe() == str(Path.home() / "results")


def test_files_of_this_machine_are_copied(storage: LocalStorage, tmp_path: Path) -> None:
    LocalStorage(path=str(tmp_path)).store("source", TREE)
    storage.store("copy", walk(tmp_path / "source"))
    assert picture(storage.tree("copy")) == picture(TREE)


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


@pytest.mark.scale
@pytest.mark.slow
def test_ten_thousand_outputs_cost_little_more_than_plain_writing(storage: LocalStorage, tmp_path: Path) -> None:
    names = [(task, name) for task in range(10_000) for name in ("a", "b")]
    outputs = [file(f"{task}/chiminey_output/{name}", b"1234") for task, name in names]
    begin = time.process_time()
    for task, name in names:
        (tmp_path / f"plain/{task}/chiminey_output").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"plain/{task}/chiminey_output/{name}").write_bytes(b"1234")
    middle = time.process_time()
    storage.collect("output_1", outputs)
    assert time.process_time() - middle < 3 * (middle - begin)


def test_an_alias_is_a_folder_that_every_tool_finds_and_takes_no_second_room(tmp_path: Path) -> None:
    storage = LocalStorage(path=str(tmp_path))
    storage.store("output_0", [file("1/answer", b"42"), folder("2")])

    storage.alias("output_0", "output")

    assert not (tmp_path / "output").is_symlink()
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["1", "2"]
    assert (tmp_path / "output" / "1" / "answer").samefile(tmp_path / "output_0" / "1" / "answer")
