"""A run whose input comes from a bucket, whose tasks run on hosts, and whose outputs go to a bucket."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session  # pyright: ignore[reportMissingTypeStubs]

from blocks import patience
from blocks.compute import LocalCompute
from blocks.errors import InvalidRequest
from blocks.storage import LocalStorage, ObjectStorage
from blocks.tree import file
from flows.request import Reliability
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.servers.ports import free_port
from tests.servers.s3 import S3
from tests.servers.sshd import SSHD
from tests.servers.swift import Swift
from tests.storage.object_storages import on_moto, with_settings
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


def test_a_place_where_results_can_t_be_kept_is_told_once_before_anything_begins(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    lab, right, asked = Lab(tmp_path), with_settings(on_moto(s3), access_key="", secret_key=None), list[str]()
    send = URLLib3Session.send

    def counting(session: URLLib3Session, request: Any) -> Any:
        asked.append(request.method)
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", counting)
    here = connector(tmp_path / "connector", "true")
    for wrong, told in (
        (with_settings(right, bucket="nothing-like-it"), "results can't be kept there: .*nothing-like-it"),
        (with_settings(right, path="../up"), "must stay inside the storage"),
        (LocalStorage(path="~nobody-like-it"), "results can't be kept there: .* no home folder ~nobody-like-it"),
    ):
        with pytest.raises(InvalidRequest, match=told) as refused:
            lab.request(here, LocalCompute(), output=wrong)
        assert len(refused.value.problems) == 1
    asked.clear()
    lab.request(here, LocalCompute(), output=right)
    assert asked == ["GET"]


def test_a_place_for_results_that_is_away_may_be_back_when_the_run_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "DOUBT", 0.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    away = ObjectStorage(endpoint=f"http://127.0.0.1:{free_port()}", bucket="box")
    Lab(tmp_path).request(connector(tmp_path / "connector", "true"), LocalCompute(), output=away)


def files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
