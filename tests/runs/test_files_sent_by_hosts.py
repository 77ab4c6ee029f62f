"""Large files that a host sends to an address itself: apart from all others, and back among them when they did not arrive."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import secrets
import subprocess
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from blocks.errors import CommandFailed
from blocks.host_file import HostFile
from blocks.host_session import HostSession
from blocks.remote.session import RunnerSession
from blocks.selection import Selection
from blocks.transport.local import LocalTransport
from blocks.transport.ssh import SSHTransport
from blocks.transport.transport import Transport
from blocks.tree import Entry, file
from blocks.work import Batch, TaskOrder
from tests.ssh.access import access_to, destination

pytestmark = pytest.mark.ssh

LARGE = 100_000
MAIN = """
cd "$2" && mkdir -p "it's \\"deep\\" \\$x" scratch
head -c 300000 /dev/zero | tr '\\0' "$CHIMINEY_TASK_ID" >"it's \\"deep\\" \\$x/large one"
head -c 200000 /dev/zero >scratch/large
head -c 200000 /dev/zero >linked && ln linked again
echo small >small
"""


class Shelf(http.server.ThreadingHTTPServer):
    """Keeps what is PUT; below /refused nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}?signature=secret"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Shelf
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        refused = self.path.startswith("/refused")
        if not refused:
            self.server.kept[self.path.partition("?")[0]] = content
            self.server.headers = dict(self.headers)
        self.send_response(403 if refused else 200)
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *given: object) -> None:
        """Quietly."""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    server = Shelf()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["this machine", "a host over SSH", "a host without bash"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostSession]:
    """A session on a host on which two tasks have ended."""
    if request.param == "this machine":
        transport: Transport = LocalTransport()
    else:
        (host,) = request.getfixturevalue("farm")(1, no_bash=request.param.endswith("bash"))
        transport = SSHTransport(destination(host), access_to(host))
    session: HostSession = RunnerSession(
        transport, secrets.token_hex(5), str(tmp_path / "scratch") if request.param == "this machine" else "scratch"
    )
    session.probe()
    session.deliver([file("payload/process_payload/main.sh", MAIN.encode())])
    session.submit(Batch("b1", 0, (TaskOrder(1, 1, -1), TaskOrder(2, 1, -1))), 2)
    while not {1, 2} <= session.status(["b1"])[0].ended:
        pass
    yield session
    session.clean()
    session.close()


def fetched(session: HostSession, apart: int, **patterns: tuple[str, ...]) -> dict[tuple[int, str], Entry]:
    """The files that come, with the content of those that come in the stream."""
    found: dict[tuple[int, str], Entry] = {}
    for task, entry in session.fetch("b1", [1, 2], Selection(**patterns), apart):
        if entry.kind == "file":
            whole = entry.content if isinstance(entry.content, HostFile) else b"".join(entry.blocks())
            found[task, entry.path] = replace(entry, content=whole)
    return found


def test_large_files_come_apart_and_are_sent_by_their_host(session: HostSession, shelf: Shelf) -> None:
    found = fetched(session, LARGE, exclude=("scratch",))
    small = {(task, name) for task in (1, 2) for name in ("output/small", "output/linked", "output/again")}
    path = 'output/it\'s "deep" $x/large one'

    assert found.keys() == small | {(1, path), (2, path)}
    for task in (1, 2):
        content = f"{task}".encode() * 300_000
        large = found[task, path].content
        assert isinstance(large, HostFile)
        assert (found[task, path].size, found[task, path].mode) == (300_000, 0o644)
        assert found[task, path].modified > 1_700_000_000
        assert (large.md5, large.sha256) == (hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest())
        checksum = base64.b64encode(bytes.fromhex(large.md5)).decode()
        assert large.send(shelf.address(f"kept/{task}"), {"Content-MD5": checksum}) == large.md5
        assert shelf.kept[f"/kept/{task}"] == content
        assert shelf.headers["Content-MD5"] == checksum


def test_what_its_host_can_not_send_is_read_as_ever(session: HostSession, shelf: Shelf) -> None:
    (large,) = [
        entry for (task, _), entry in fetched(session, 250_000).items() if task == 1 and isinstance(entry.content, HostFile)
    ]
    assert isinstance(large.content, HostFile)
    with pytest.raises(CommandFailed, match="403") as refused:
        large.content.send(shelf.address("refused"), {})
    with pytest.raises(CommandFailed) as unreached:
        large.content.send("http://127.0.0.1:9/kept?signature=secret", {})

    assert "secret" not in f"{refused.value}{unreached.value}"
    assert b"".join(large.blocks()) == b"1" * 300_000


def test_outputs_that_are_fetched_again_are_whole(session: HostSession) -> None:
    plain = fetched(session, 0)
    fetched(session, LARGE)
    fetched(session, 250_000)

    assert fetched(session, 0) == plain
    assert len(plain) == 2 * 5


def test_a_host_without_curl_sends_all_in_the_stream(session: HostSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.remote.held.TOOLS", ("curl-of-another-name",))
    assert not any(isinstance(entry.content, HostFile) for entry in fetched(session, LARGE).values())


def readers() -> list[str]:
    """The processes of this one that give a file that was set aside."""
    command = ["pgrep", "-P", str(os.getpid()), "-f", "cat held/"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


@pytest.mark.parametrize("session", ["this machine"], indirect=True)
def test_one_that_is_not_read_to_its_end_is_let_go_of(session: HostSession) -> None:
    with closing(cast(Generator[tuple[int, Entry]], session.fetch("b1", [1], Selection(), LARGE))) as entries:
        _, first = next(entries)
        assert isinstance(first.content, HostFile)
        assert first.content.read(10)
        assert len(readers()) == 1
    assert readers() == []
