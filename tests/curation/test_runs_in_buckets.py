"""Runs with results in a bucket that are published while their controllers die, and several at once: nothing is doubled."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from werkzeug.wrappers import Request

from blocks.compute import LocalCompute
from blocks.curation.mytardis import MyTardis
from blocks.storage import ObjectStorage
from flows.crate.reading import opened
from flows.crate.verification import verify
from tests.curation.test_runs import FILES, MAIN, files, kept, names, on, start
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.mytardis import ALICE, MyTardisServer
from tests.servers.swift import Swift


@pytest.fixture
def storage(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    """One whose secret is where Amazon's own tools look for it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", swift.user)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", swift.key)
    bucket = f"bucket-{secrets.token_hex(4)}"
    swift.make_container(bucket)
    return ObjectStorage(endpoint=swift.endpoint, bucket=bucket)


def kill_while_publishing(
    lab: Lab, server: MyTardisServer, repository: MyTardis, storage: ObjectStorage, folder: Path, kills: int
) -> None:
    """Let so many controllers of one run die at random requests to the repository, and one finish."""
    chance = random.Random(int(os.environ.get("CHAOS_SEED", "7")))
    sample = connector(folder / "connector", MAIN)
    proposal = lab.request(sample, LocalCompute(slots=2), sweep={"k": [1, 2, 3]}, output=storage, curation=repository)
    record = lab.add(proposal)
    for _ in range(kills):
        controller = start(folder, record, server)
        dies = on("/", lambda controller=controller: os.killpg(controller.pid, signal.SIGKILL), after=chance.randint(1, 4))
        setattr(server, chance.choice(["before", "after"]), dies)
        assert controller.wait(timeout=250) == -signal.SIGKILL
        server.before = server.after = lambda _request: None
    result = lab.drive(record, proposal)
    assert (result.state, result.messages) == ("completed", ())
    outputs = [f"{step}_0_{task}" for step in ("0", "final") for task in (1, 2, 3)]
    assert sorted(names(server)) == sorted(outputs)
    assert len(server.table("experiment")) == 1
    assert {name: len(files(server, name)) for name in outputs} == dict.fromkeys(outputs, FILES)
    assert kept(server)["dataset_file"] == len(outputs) * FILES
    found = verify(opened(storage, result.name))
    assert (found.missing, found.changed, found.extra) == ([], [], [])


@pytest.mark.slow
def test_three_kills_while_a_run_in_a_bucket_is_published_double_nothing(
    server: MyTardisServer, repository: MyTardis, storage: ObjectStorage, tmp_path: Path
) -> None:
    kill_while_publishing(Lab(tmp_path), server, repository, storage, tmp_path, kills=3)


@pytest.mark.chaos
def test_ten_kills_while_a_run_in_a_bucket_is_published_double_nothing(
    server: MyTardisServer, repository: MyTardis, storage: ObjectStorage, tmp_path: Path
) -> None:
    kill_while_publishing(Lab(tmp_path), server, repository, storage, tmp_path, kills=10)


def test_two_runs_that_are_published_at_the_same_time_go_into_one_experiment(
    server: MyTardisServer, repository: MyTardis, storage: ObjectStorage, tmp_path: Path
) -> None:
    server.rows.add_experiment(ALICE, {"title": "mine", "description": "by hand"})
    together = threading.Barrier(2, timeout=30)  # less than a client waits for an answer
    posts = itertools.count(1)

    def meet(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/dataset/") and next(posts) <= together.parties:
            with suppress(threading.BrokenBarrierError):
                together.wait()

    server.before = meet

    def published(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        lab = Lab(folder)
        there = MyTardis(url=server.url, username=ALICE.name, api_key=ALICE.api_key)
        sample = connector(folder / "connector", MAIN)
        proposal = lab.request(sample, LocalCompute(slots=2), sweep={"k": [1, 2]}, output=storage, curation=there, experiment="1")
        return lab.drive(lab.add(proposal), proposal).state

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(published, (1, 2))) == ["completed", "completed"]
    (experiment,) = server.table("experiment")
    assert sorted(names(server)) == sorted(["0_0_1", "0_0_2", "final_0_1", "final_0_2"] * 2)
    assert len(server.table("dataset_file")) == 8 * FILES
    assert {tuple(each["experiments"]) for each in server.table("dataset")} == {(experiment["resource_uri"],)}
