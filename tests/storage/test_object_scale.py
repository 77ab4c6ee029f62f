"""Thousands of files in an object store: how often it is asked something, in which time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session

from benchmarks.table import best
from blocks.storage import LocalStorage, ObjectStorage
from blocks.storage.object_store import AT_ONCE
from blocks.tree import file
from tests.storage.object_storages import client

pytestmark = pytest.mark.scale

REPOSITORY = Path(__file__).parents[2]
FILES = 2000
BATCHES = 3  # of a thousand objects that are listed, or deleted; with the journal there are a few more than FILES
FEW = 10  # requests besides, however many files there are
SOME = 300
LARGE = 200_000_000  # bytes; with a process's own 130 MB more than may be taken
MEMORY = 300 * 1024  # kB
RATIO = 2.5  # to boto3 alone: room for a busy machine

# Stores a folder in a bucket, brings it back, and writes out the most memory that it held, in kB.
THERE_AND_BACK = r"""
import json, re, sys
from pathlib import Path
from pydantic import SecretStr
from blocks.storage import LocalStorage, ObjectStorage
settings, here = json.loads(sys.argv[1]), LocalStorage(path=sys.argv[2])
storage = ObjectStorage(**settings)
storage.store("t", here.tree("there"))
here.store("back", storage.tree("t"))
print(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the store was asked what, repetitions included."""
    counted = Counter[str]()
    send = URLLib3Session.send

    def counting(session: Any, request: Any) -> Any:
        is_list = "list-type=2" in request.url or "uploads" in request.url
        is_copy = any(name.lower() == "x-amz-copy-source" for name in request.headers)
        counted["LIST" if is_list else "COPY" if is_copy else request.method] += 1
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", counting)
    return counted


def test_a_file_is_one_request_and_all_others_are_few(storage: ObjectStorage, asked: Counter[str]) -> None:
    storage.store("t", [file(f"{number % 7}/{number}", b"1") for number in range(FILES)])
    assert FILES <= asked["PUT"] <= FILES + FEW
    assert asked.total() <= FILES + 2 * FEW

    asked.clear()
    assert sum(entry.kind == "file" for entry in storage.tree("t")) == FILES
    assert (asked["GET"], asked["HEAD"]) == (FILES, 0)
    assert asked["LIST"] <= BATCHES + FEW

    asked.clear()
    storage.remove("t")
    assert asked["POST"] <= BATCHES
    assert asked.total() <= 2 * BATCHES + FEW


def test_a_file_is_replaced_by_two_requests_and_copied_by_one(storage: ObjectStorage, asked: Counter[str]) -> None:
    tree = [file(f"{number}", b"1") for number in range(SOME)]
    storage.store("t", tree)

    asked.clear()
    storage.store("t", tree)
    assert (asked["COPY"], SOME <= asked["PUT"] <= SOME + FEW) == (SOME, True)
    assert asked.total() <= 2 * SOME + 2 * FEW

    asked.clear()
    storage.copy("t", "copy")
    assert (asked["COPY"], asked["GET"]) == (SOME, 0)
    assert asked.total() <= SOME + 2 * FEW


def test_small_files_take_hardly_longer_than_by_boto3_alone(storage: ObjectStorage) -> None:
    contents = {f"{number}": str(number).encode() * 800 for number in range(SOME)}
    alone, numbers = client(storage), count()

    def there() -> None:
        storage.store(f"t{next(numbers)}", [file(name, content) for name, content in contents.items()])

    def there_alone() -> None:
        def put(name: str) -> None:
            alone.put_object(Bucket=storage.bucket, Key=f"theirs/{name}", Body=contents[name])

        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(put, contents))

    def back() -> None:
        assert {entry.path: entry.content for entry in storage.tree("t0")} == contents

    def back_alone() -> None:
        def get(name: str) -> bytes:
            return alone.get_object(Bucket=storage.bucket, Key=f"theirs/{name}")["Body"].read()

        with ThreadPoolExecutor(AT_ONCE) as threads:
            assert dict(zip(contents, threads.map(get, contents), strict=True)) == contents

    for act, by_boto3 in ((there, there_alone), (back, back_alone)):
        ours, floor = best(act, by_boto3, times=10, enough=RATIO)
        assert ours <= RATIO * floor


def test_large_and_small_files_pass_in_little_memory(storage: ObjectStorage, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with (tmp_path / "there/large").open("wb") as target:
        target.truncate(LARGE)
    for number in range(15):
        (tmp_path / f"there/{number}").write_bytes(b"1" * 3_900_000)
    assert storage.secret_key is not None
    settings = {"endpoint": storage.endpoint, "bucket": storage.bucket, "access_key": storage.access_key}
    settings |= {"secret_key": storage.secret_key.get_secret_value()}
    command = [sys.executable, "-c", THERE_AND_BACK, json.dumps(settings), str(tmp_path)]

    memory = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout

    assert int(memory) < MEMORY
    here = LocalStorage(path=str(tmp_path))
    assert {(each.path, each.size) for each in here.tree("back")} == {(each.path, each.size) for each in here.tree("there")}
