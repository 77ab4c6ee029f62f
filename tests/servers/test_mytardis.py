"""The MyTardis of the tests beside a real one: it answers what was recorded as that did, and goes on with what it keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.servers.mytardis import ALICE, BOB, CAROL, MyTardisServer
from tests.servers.mytardis_server import rows
from tests.servers.mytardis_server.rows import NUMERIC, STRING, User

RECORDED = Path(__file__).parent / "mytardis_server" / "recorded.txt"

CONTENT = b"energy -1.5\n" * 10
_VARYING = re.compile(r'"\d{4}-\d\d-\d\dT[\d:.]+"')


class Exchange(NamedTuple):
    """One request as it was recorded, and the answer."""

    title: str
    method: str
    path: str
    content_type: str
    body: str
    status: int
    answer_type: str
    location: str
    answer: str


def recorded() -> list[Exchange]:
    found: list[Exchange] = []
    for block in re.split(r"^### ", RECORDED.read_text(), flags=re.MULTILINE)[1:]:
        title, request, rest = block.split("\n", 2)
        asked = re.fullmatch(r"> (\w+) (\S+)  CT=(.*)", request)
        sent, status_line, answer = re.split(r"^(< \d{3} .*)\n", rest, maxsplit=1, flags=re.MULTILINE)
        told = re.fullmatch(r"< (\d+) .* CT=(.*) Location=(\S+) WWW=None", status_line)
        assert asked is not None
        assert told is not None
        answer = re.split(r"\n50 MiB", answer)[0].removeprefix("< ").rstrip("\n")
        method, path, content_type = asked.groups()
        found.append(
            Exchange(
                title, method, path, content_type, sent.removeprefix("> ").rstrip("\n"), int(told[1]), told[2], told[3], answer
            )
        )
    return found


@pytest.fixture
def server() -> Iterator[MyTardisServer]:
    """As the recorded one was set up."""
    server = MyTardisServer()
    server.rows.tables.pop("storagebox")
    for name, schema_type in (("run", rows.EXPERIMENT), ("dataset", rows.DATASET), ("file", rows.DATAFILE)):
        namespace = f"http://chiminey.example/schemas/{name}/1.0"
        server.rows.register(namespace, schema_type, f"Chiminey {name}", temperature=NUMERIC, solver=STRING)
    yield server
    server.stop()


def who(exchange: Exchange) -> User | None:
    if "no auth" in exchange.title or "anonymous" in exchange.title:
        return None
    return next((user for user in (BOB, CAROL) if user.name in exchange.title), ALICE)


def ask(client: httpx.Client, server: MyTardisServer, exchange: Exchange) -> httpx.Response:
    user = who(exchange)
    headers = {} if user is None else {"Authorization": f"ApiKey {user.name}:{user.api_key}"}
    if exchange.title == "bad key":
        headers = {"Authorization": "ApiKey alice:wrong"}
    if exchange.title == "basic auth":
        headers = {"Authorization": httpx.BasicAuth(ALICE.name, ALICE.password)._auth_header}
    url = f"{server.url}{exchange.path}"
    if exchange.content_type.startswith("multipart"):
        document = next(line for line in exchange.body.splitlines() if line.startswith("{"))
        name = json.loads(document)["filename"]
        return client.post(url, headers=headers, data={"json_data": document}, files={"attached_file": (name, CONTENT)})
    if exchange.content_type != "None":
        headers["Content-Type"] = exchange.content_type
    return client.request(exchange.method, url, headers=headers, content=exchange.body.encode())


def plain(text: str) -> str:
    return _VARYING.sub('"TIME"', text)


def test_every_recorded_request_is_answered_as_it_was_by_the_real_server(server: MyTardisServer) -> None:
    exchanges = recorded()
    assert len(exchanges) == 52
    client = httpx.Client(timeout=120)
    for exchange in exchanges:
        answer = ask(client, server, exchange)
        told = (answer.status_code, answer.headers.get("content-type", "None"), answer.headers.get("location", "None"))
        assert told == (exchange.status, exchange.answer_type, exchange.location), f"{exchange.title}: {answer.text}"
        if exchange.title == "storagebox":
            continue  # of which nobody here asks
        given, wanted = plain(answer.text).strip(), plain(exchange.answer).strip()
        is_cut = wanted.startswith("{") and not wanted.endswith("}")
        assert (given[: len(wanted)] if is_cut or exchange.title == "download" else given) == wanted, exchange.title


def test_a_file_is_looked_at_some_time_after_it_was_taken() -> None:
    server = MyTardisServer(verification=1e9)
    headers = {"Authorization": f"ApiKey alice:{ALICE.api_key}"}
    client = httpx.Client(base_url=f"{server.url}/api/v1/", headers=headers, timeout=120)
    client.post("experiment/", json={"title": "x"})
    client.post("dataset/", json={"description": "d", "experiments": ["/api/v1/experiment/1/"]})
    document = json.dumps({"dataset": "/api/v1/dataset/1/", "filename": "a", "size": len(CONTENT)})
    client.post("dataset_file/", data={"json_data": document}, files={"attached_file": ("a", CONTENT)})
    seen = [client.get("dataset_file/1/").json()["replicas"][0]]
    server.rows.verification = 0.0
    server.rows.verify(1)
    while not seen[-1]["verified"]:
        seen.append(client.get("dataset_file/1/").json()["replicas"][0])
    server.stop()
    assert (seen[0]["verified"], seen[0]["last_verified_time"]) == (False, None)
    assert seen[-1]["last_verified_time"] is not None


def test_what_it_keeps_outlives_a_stop_at_the_same_address() -> None:
    server = MyTardisServer()
    headers = {"Authorization": f"ApiKey alice:{ALICE.api_key}"}
    httpx.post(f"{server.url}/api/v1/experiment/", json={"title": "x"}, headers=headers, timeout=120)
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/api/v1/experiment/1/", headers=headers)
    server.start()
    assert httpx.get(f"{server.url}/api/v1/experiment/1/", headers=headers, timeout=120).json()["title"] == "x"
    server.stop()


@pytest.mark.parametrize("odd", ["a\udcff", "a\0"])
def test_text_that_no_database_takes_is_its_own_fault(server: MyTardisServer, odd: str) -> None:
    """Django's: a ValueError of the database's driver, or a UnicodeEncodeError, of which a client is told no more than 500."""
    headers = {"Authorization": f"ApiKey {ALICE.name}:{ALICE.api_key}", "Content-Type": "application/json"}
    client = httpx.Client(base_url=f"{server.url}/api/v1/", headers=headers, timeout=120)
    client.post("experiment/", json={"title": "x"})
    client.post("dataset/", json={"description": "d", "experiments": ["/api/v1/experiment/1/"]})
    file = {"dataset": "/api/v1/dataset/1/", "filename": odd, "size": 1, "md5sum": ""}
    for kind, document in (("experiment", {"title": odd}), ("dataset_file", file)):
        assert client.post(f"{kind}/", content=json.dumps(document)).status_code == 500
    assert len(server.table("experiment")) == 1
    assert server.table("dataset_file") == []


def test_a_form_of_unknown_length_is_not_read_as_django_reads_none(server: MyTardisServer) -> None:
    headers = {"Authorization": f"ApiKey alice:{ALICE.api_key}", "Content-Type": "multipart/form-data; boundary=x"}
    answer = httpx.post(f"{server.url}/api/v1/dataset_file/", headers=headers, content=iter([b"--x--\r\n"]), timeout=120)
    assert answer.status_code == 500
