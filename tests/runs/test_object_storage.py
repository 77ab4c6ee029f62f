"""A run whose input comes from a bucket, whose tasks run on hosts, and whose outputs go to a bucket."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from blocks.storage import ObjectStorage
from blocks.tree import file
from flows.request import Reliability
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.servers.sshd import SSHD
from tests.servers.swift import Swift
from tests.storage_contract import AWKWARD

MAIN = """
tr a-z A-Z <"$1/word" >"$2/answer"
cp "$1/exponent" "$2/exponent of $(cat "$1/exponent")"
ln -s answer "$2/latest"
head -c 9000000 /dev/zero >"$2/large"
"""


@pytest.fixture
def storage(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    """One whose secret is where Amazon's own tools look for it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", swift.user)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", swift.key)
    bucket = f"bucket-{secrets.token_hex(4)}"
    swift.make_container(bucket)
    return ObjectStorage(endpoint=swift.endpoint, bucket=bucket, path="lab")


@pytest.mark.ssh
def test_input_and_output_are_in_buckets_and_nothing_is_written_here(
    hosts: list[SSHD], storage: ObjectStorage, tmp_path: Path
) -> None:
    samples = storage.model_copy(update={"path": "samples"})
    samples.collect("initial", [file("word", b"hello\n"), file("exponent_template", b"{{ n }}"), file(AWKWARD, b"x")])
    sweep = {"n": list(range(20))}
    here = connector(tmp_path / "connector", MAIN, sweep=sweep)
    lab = Lab(tmp_path)
    before = files(tmp_path)

    result = lab.go(here, unix(*hosts[:2], slots=2), input=samples, output=storage)

    assert result.state == "completed"
    output = f"{result.name}/output"
    assert storage.list(output) == sorted(str(task) for task in range(1, 21))
    answers = {entry.path: b"".join(entry.blocks()) for entry in storage.tree(output) if entry.kind == "file"}
    assert {content for path, content in answers.items() if path.endswith("/answer")} == {b"HELLO\n"}
    assert {int(content) for path, content in answers.items() if "/exponent of " in path} == set(range(20))
    assert {len(content) for path, content in answers.items() if path.endswith("/large")} == {9_000_000}
    assert storage.read(f"{output}/7/latest") == b"HELLO\n"
    assert json.loads(storage.read(f"{result.name}/run.json"))["state"] == "completed"
    assert [each for each in files(tmp_path) if each not in before and not each.startswith("ledger.db")] == []


UNNAMEABLE = """
[ "$CHIMINEY_TASK_ID" != 1 ] || echo odd >"$2/$(printf '\\377')"
head -c 5000000 /dev/zero >"$2/large"
"""


@pytest.mark.ssh
def test_a_name_that_no_store_takes_costs_its_task_and_neither_the_others_nor_the_host(
    hosts: list[SSHD], storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.transport.ssh_channels.CHANNELS", 2)  # one of them is for hearing of ends
    here = connector(tmp_path / "connector", UNNAMEABLE, sweep={"n": list(range(8))})
    lab = Lab(tmp_path)

    result = lab.go(here, unix(hosts[0], slots=8), output=storage, reliability=Reliability(maximum_retry=0))

    assert (result.state, result.tasks.completed) == ("completed-with-failures", 7)
    assert "is not UTF-8" in result.messages[0]
    assert not [message for message in lab.view.messages if "does not answer" in message or "lost" in message]


def files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
