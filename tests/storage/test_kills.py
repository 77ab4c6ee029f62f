"""Runs with input and output in a bucket, whose controller dies at any request: each output once, whole, and nothing else."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.storage import ObjectStorage
from blocks.tree import file
from flows import engine, references
from flows.crate.reading import opened
from flows.crate.verification import verify
from flows.ledger import RunRecord
from flows.request import Location, RunRequest
from flows.sweep_map import SweepMap
from tests.engine import Lab, left_on, unix
from tests.servers.sshd import SSHD
from tests.servers.swift import Swift
from tests.storage import controller
from tests.storage.object_storages import by_s3, by_swift, raw_keys, uploads, with_settings

pytestmark = pytest.mark.ssh

MAKERS = {
    "by S3's protocol": by_s3,
    "by S3's, directly": lambda swift: with_settings(by_s3(swift), direct=True),
    "by Swift's": by_swift,
}
LATEST = 25  # of the changes that a controller makes before it is killed, or at which


@pytest.fixture
def storage(request: pytest.FixtureRequest, swift: Swift) -> Iterator[ObjectStorage]:
    storage = MAKERS[request.param](swift)
    yield storage
    storage.close()


def asked(lab: Lab, storage: ObjectStorage, hosts: list[SSHD], folder: Path, tasks: int) -> RunRecord:
    """A run of so many tasks in each of two iterations."""
    storage.collect("samples/initial", [file("seed", b"seed\n")])
    place = references.reference(with_settings(storage, secret_key=None))
    request = RunRequest(
        connector="sample",
        inputs={},
        compute=references.reference(unix(*hosts, slots=2)),
        input=Location(storage=place, path="samples"),
        output=Location(storage=place, path="results"),
        sweep=SweepMap({"n": list(range(tasks))}),
        max_iterations=2,
    )
    identity = secrets.token_hex(5)
    record = RunRecord(identity, f"sample-{identity}", "sample", request.model_dump_json())
    engine.validate(controller.proposal(record, folder / "connector"))
    lab.ledger.add(record)
    return record


def start(folder: Path, record: RunRecord, *moment: str) -> subprocess.Popen[bytes]:
    """A controller that takes the run up."""
    words = [f"sqlite:///{folder}/ledger.db", record.id, str(folder / "connector"), *moment]
    with (folder / "errors").open("ab") as errors:
        return subprocess.Popen([sys.executable, "-m", "tests.storage.controller", *words], stderr=errors)


def kill_and_resume(record: RunRecord, folder: Path, kills: int, seed: int) -> list[tuple[str, str]]:
    """Let controllers of a run die at random requests, so many at most, and one finish; gives the requests."""
    chance = random.Random(seed)
    moments: list[tuple[str, str]] = []
    for _ in range(kills):
        moment = (str(chance.randint(1, LATEST)), chance.choice(["before", "after"]))
        ended = start(folder, record, *moment).wait(timeout=250)
        if ended == 0:
            return moments
        assert ended == -signal.SIGKILL, (folder / "errors").read_text()[-2000:]
        moments.append(moment)
    assert start(folder, record).wait(timeout=250) == 0, (folder / "errors").read_text()[-2000:]
    return moments


def check(
    lab: Lab, record: RunRecord, storage: ObjectStorage, swift: Swift, hosts: list[SSHD], tasks: int, again: bool = False
) -> None:
    """Everything that the run was to make is there, once and whole, and nothing else is anywhere; tasks may have run again."""
    ended = lab.ledger.run(record.id)
    assert ended is not None
    assert ended.status == "completed"
    folder = f"results/{record.name}"
    for iteration, seed in ((0, b"seed\n"), (1, b"3\n")):
        numbers = [str(number) for number in range(iteration * tasks + 1, (iteration + 1) * tasks + 1)]
        assert storage.list(f"{folder}/output_{iteration}") == sorted(numbers)
        outputs = {entry.path: entry for entry in storage.tree(f"{folder}/output_{iteration}") if entry.kind == "file"}
        for number in numbers:
            content = {name: b"".join(outputs[f"{number}/{name}"].blocks()) for name in ("answer", "deep/é seed", "nothing")}
            assert content == {"answer": f"{number}\n".encode(), "deep/é seed": seed, "nothing": b""}
    assert storage.list(f"{folder}/output") == sorted(numbers)
    large = next(entry for entry in storage.tree(f"{folder}/output_0/2") if entry.path == "large")
    assert sum(block.count(b"x") for block in large.blocks()) == large.size == controller.LARGE
    found = verify(opened(storage, folder))
    assert (found.missing, found.changed, found.extra) == ([], [], [])
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []
    assert uploads(storage, swift) == []
    begun = [line for host in hosts for line in (host.home / "begun").read_text().split()]
    assert sorted(set(begun) if again else begun, key=int) == [str(number) for number in range(1, 2 * tasks + 1)], (
        "a task was begun twice, or never"
    )
    assert [left_on(host) for host in hosts] == [[] for _ in hosts]
    assert [list((host.home / ".chiminey").iterdir()) for host in hosts] == [[] for _ in hosts]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["by S3's, directly", "by Swift's"], indirect=True)
def test_four_kills_at_requests_lose_nothing_and_leave_nothing(
    storage: ObjectStorage, swift: Swift, hosts: list[SSHD], tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    record = asked(lab, storage, hosts[:2], tmp_path, tasks=5)
    moments = kill_and_resume(record, tmp_path, kills=4, seed=1)
    assert len(moments) == 4
    check(lab, record, storage, swift, hosts[:2], tasks=5)


@pytest.mark.chaos
@pytest.mark.parametrize("storage", MAKERS, indirect=True)
def test_twenty_kills_at_requests_lose_nothing_and_leave_nothing(
    storage: ObjectStorage, swift: Swift, hosts: list[SSHD], tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    record = asked(lab, storage, hosts[:2], tmp_path, tasks=20)
    seed = int(os.environ.get("CHAOS_SEED", "7"))
    assert kill_and_resume(record, tmp_path, kills=20, seed=seed)
    check(lab, record, storage, swift, hosts[:2], tasks=20)
