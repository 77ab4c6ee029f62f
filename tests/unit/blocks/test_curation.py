"""What is sent to repositories: streams of a known length, settings that can't leak, parameters that fit a schema."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks import patience
from blocks.curation import CuratedFile, ParameterSet, graph
from blocks.curation.mytardis import MyTardis
from blocks.curation.upload import IN_MEMORY, Upload, with_checksum
from blocks.mytardis.schemas import Schemas
from tests.servers.mytardis import ALICE, MyTardisServer
from tests.servers.mytardis_server.rows import EXPERIMENT, NUMERIC, STRING


def in_blocks(content: bytes, size: int) -> Callable[[], Iterator[bytes]]:
    return lambda: (content[start : start + size] for start in range(0, len(content), size))


def test_a_server_that_is_away_for_a_minute_is_waited_for_with_all_pauses() -> None:
    assert 60.0 + 1.5 * patience._LONGEST_PAUSE < patience.PATIENCE


@given(st.binary(max_size=2000), st.integers(1, 300), st.integers(1, 700))
def test_an_upload_gives_its_content_as_often_as_it_is_begun(content: bytes, block: int, step: int) -> None:
    upload = Upload(len(content), in_blocks(content, block))
    assert upload.seek(0, io.SEEK_END) == len(content)
    for _ in range(2):
        upload.seek(0)
        assert b"".join(iter(lambda: upload.read(step), b"")) == content


@given(st.binary(min_size=2, max_size=500), st.data())
def test_an_upload_is_never_longer_than_it_was_said_to_be(content: bytes, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(content)))
    upload = Upload(size, in_blocks(content, 7))
    upload.seek(0)
    assert upload.readall() == content[:size]


@pytest.mark.parametrize("size", [10, IN_MEMORY + 10])
def test_a_small_file_is_read_once_and_a_large_one_twice(size: int) -> None:
    reads = 0

    def content() -> Iterator[bytes]:
        nonlocal reads
        reads += 1
        yield bytes(size)

    file, checksum = with_checksum(CuratedFile("a", size, content))
    assert b"".join(file.content()) == bytes(size)
    assert checksum == hashlib.md5(bytes(size)).hexdigest()
    assert reads == (1 if size <= IN_MEMORY else 2)


# In a process of its own: what is traced is all that a process takes, that of threads left behind by other tests too.
SENDING = """
import sys, tracemalloc
import httpx
from blocks.curation import CuratedFile
from blocks.curation.upload import Upload, with_checksum

size, block = int(sys.argv[1]), bytes(64 * 1024)
file, _ = with_checksum(CuratedFile("a", size, lambda: iter([block] * (size // len(block)))))
client = httpx.Client()
tracemalloc.start()
form = {"attached_file": ("a", Upload(file.size, file.content), "text/plain")}
request = client.build_request("POST", "http://here/", data={"json_data": "{}"}, files=form)
sent = sum(len(part) for part in request.stream)
print(request.headers["content-length"], sent, tracemalloc.get_traced_memory()[1])
"""


def test_a_large_file_is_sent_with_its_length_and_never_in_memory_as_a_whole() -> None:
    size = 64 * 1024 * 1024
    answer = subprocess.run([sys.executable, "-c", SENDING, str(size)], capture_output=True, text=True, check=True)
    length, sent, peak = map(int, answer.stdout.split())
    assert length == sent > size
    assert peak < size / 16


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://mytardis.example.org", "begins with https://"),
        ("mytardis.example.org", "begins with https://"),
        ("https://me:secret-1@mytardis.example.org", "without user and password"),
    ],
)
def test_a_secret_is_sent_to_no_address_where_others_could_read_it(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        MyTardis(url=url, username="me")


def test_it_asks_for_a_key_unless_it_has_a_password_and_shows_neither() -> None:
    bare = MyTardis(url="https://mytardis.example.org/", username="me")
    full = MyTardis(url="https://mytardis.example.org", username="me", password="pass-77", api_key="key-99")
    assert (bare.wanted_secrets, full.wanted_secrets) == (["api_key"], [])
    assert bare.url == full.url
    assert not any(secret in text for secret in ("pass-77", "key-99") for text in (repr(full), str(full)))


@pytest.fixture(scope="module")
def schemas() -> Iterator[Schemas]:
    server = MyTardisServer()
    server.rows.register("http://rmit.edu.au/schemas/run", EXPERIMENT, energy=NUMERIC, solver=STRING)
    repository = MyTardis(url=server.url, username=ALICE.name, api_key=ALICE.api_key)
    yield Schemas(repository._connected(), repository.schemas)
    repository.close()
    server.stop()


@given(st.one_of(st.floats(allow_nan=True), st.integers(-(10**9), 10**9), st.text(max_size=10)))
def test_a_parameter_that_is_a_number_there_gets_only_numbers(schemas: Schemas, value: str | float) -> None:
    (fitted,) = schemas.fitting([ParameterSet("run", {"energy": value, "solver": value})], "experiment")
    given_values = dict(fitted.parameters)
    assert given_values["solver"] == str(value).replace("\0", "\\x00")  # which no database takes
    if "energy" in given_values:
        assert abs(float(given_values["energy"])) < float("inf")
    else:
        assert any("has to be a number" in warning for warning in schemas.warnings)


def test_a_schema_of_another_kind_is_none(schemas: Schemas) -> None:
    assert schemas.fitting([ParameterSet("run", {})], "dataset") == []
    assert any("no dataset schema http://rmit.edu.au/schemas/run" in warning for warning in schemas.warnings)


def test_a_graph_is_four_texts_of_which_all_but_the_name_are_json() -> None:
    drawn = graph("dataset", "fit", axes=("x", "y"), values={"fit/x": [1, 2]}, keys=[("fit/x", "fit/y")])
    assert drawn.schema == "dsetgraph"
    assert drawn.parameters == {
        "graph_info": '{"axes": ["x", "y"], "legends": []}',
        "name": "fit",
        "value_dict": '{"fit/x": [1, 2]}',
        "value_keys": '[["fit/x", "fit/y"]]',
    }


def test_a_number_that_json_has_not_is_null_in_a_graph() -> None:
    drawn = graph("dataset", "fit", values={"fit/x": [1, float("nan")], "fit/y": float("inf")})

    assert drawn.parameters["value_dict"] == '{"fit/x": [1, null], "fit/y": null}'
