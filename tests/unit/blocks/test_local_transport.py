"""LocalTransport: scripts on this machine."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.errors import CommandFailed, Unreachable
from blocks.transport.local import LocalTransport
from blocks.tree import BLOCK, file, folder, pack, unpack

AWKWARD = "quote ' and \" and ` $HOME \\ \\n \\0101 %s %% é ☃ ~ !x; & | tab\tend"


def _true_within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def here() -> LocalTransport:
    return LocalTransport()


def test_a_script_gives_its_output(here: LocalTransport) -> None:
    assert here.run("echo one; echo two") == b"one\ntwo\n"


def test_a_machine_that_can_start_no_process_may_do_so_in_a_moment(here: LocalTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        with pytest.raises(Unreachable, match="no shell can be started: Resource temporarily unavailable"):
            here.run("true")
    assert here.run("echo one") == b"one\n"


def test_a_script_starts_in_the_home_folder(here: LocalTransport) -> None:
    assert here.run("pwd -P").decode().strip() == str(Path.home().resolve())


def test_a_script_arrives_unchanged(here: LocalTransport) -> None:
    assert here.run(f"cat <<'END'\n{AWKWARD}\n\nEND\n").decode() == AWKWARD + "\n\n"


def test_a_script_reads_what_it_is_given(here: LocalTransport) -> None:
    assert here.run("read -r first; cat", [b"first\nse", b"cond\x00\xff"]) == b"second\x00\xff"


def test_an_exit_code_comes_back_with_output_and_errors(here: LocalTransport) -> None:
    stream = here.open("echo out; echo oops >&2; exit 7")
    result = stream.wait()
    stream.close()
    assert (result.exit_code, result.output, result.errors) == (7, b"out\n", "oops\n")


def test_a_script_killed_by_a_signal_is_reported_as_a_shell_would(here: LocalTransport) -> None:
    stream = here.open("kill -KILL $$")
    assert stream.wait().exit_code == 137
    stream.close()


def test_a_failed_script_raises_its_own_words(here: LocalTransport) -> None:
    with pytest.raises(CommandFailed, match="this machine: no space left"):
        here.run("echo no space left >&2; exit 1")


def test_only_the_end_of_long_errors_is_kept(here: LocalTransport) -> None:
    stream = here.open("yes error | head -c 1000000 >&2; echo last >&2")
    errors = stream.wait().errors
    stream.close()
    assert errors.endswith("last\n")
    assert len(errors) == 16 * 1024


def test_a_script_that_answers_while_it_is_fed_does_not_deadlock(here: LocalTransport) -> None:
    data = os.urandom(5_000_000)
    assert here.run("cat", [data]) == data


def test_input_that_an_ended_script_will_not_read_is_dropped(here: LocalTransport) -> None:
    assert here.run("echo done", [bytes(BLOCK)] * 20) == b"done\n"


def test_reading_gives_at_most_what_was_asked_for(here: LocalTransport) -> None:
    stream = here.open("printf abcdef")
    assert stream.poll(60)
    assert [stream.read(4), stream.read(4), stream.read(4)] == [b"abcd", b"ef", b""]
    stream.close()


def test_polling_tells_whether_there_is_something_to_read(here: LocalTransport) -> None:
    stream = here.open("read -r line; echo heard")
    assert not stream.poll(0.05)
    stream.write(b"hello\n")
    assert stream.poll(60)
    assert stream.read(100) == b"heard\n"
    stream.close()


def test_polling_is_true_at_the_end(here: LocalTransport) -> None:
    stream = here.open("exit 0")
    assert stream.poll(60)
    assert stream.read(1) == b""
    stream.close()


def test_closing_ends_a_running_script_and_its_children(here: LocalTransport) -> None:
    stream = here.open("sleep 1000 & echo $! $$; wait")
    child, script = map(int, stream.read(100).split())
    stream.close()
    stream.close()
    assert _true_within(60, lambda: not _runs(child) and not _runs(script))


def test_closing_leaves_what_the_script_detached(here: LocalTransport) -> None:
    stream = here.open("setsid sh -c 'echo $$; exec sleep 600 </dev/null >/dev/null 2>&1' & wait")
    detached = int(stream.read(100))
    stream.close()
    time.sleep(0.1)
    assert _runs(detached)
    os.kill(detached, 9)


def test_a_tree_survives_the_way_in_and_out(here: LocalTransport, tmp_path: Path) -> None:
    tree = [folder("empty"), file("a/run me", b"#!/bin/sh\n", 0o755), file("big", os.urandom(3_000_000))]
    here.run(f"tar -xf - -C '{tmp_path}'", pack(tree))
    stream = here.open(f"cd '{tmp_path}' && exec tar -cf - .")
    back = {entry.path: (entry.mode, b"".join(entry.blocks())) for entry in unpack(stream) if entry.kind == "file"}
    stream.close()
    assert back == {"a/run me": (0o755, b"#!/bin/sh\n"), "big": (0o644, tree[2].content)}


def test_threads_share_one_transport(here: LocalTransport) -> None:
    answers = dict[int, bytes]()

    def ask(number: int) -> None:
        answers[number] = here.run(f"echo {number}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: b"%d\n" % number for number in range(8)}


def test_the_script_is_not_on_a_command_line(here: LocalTransport) -> None:
    stream = here.open("key=sesame-street; echo; read -r wait")
    stream.read(1)
    listing = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    stream.close()
    assert "sesame-street" not in listing


def test_a_script_does_not_see_the_addresses_and_passwords_of_our_own_servers(
    here: LocalTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIMINEY_LEDGER", "postgresql://me:sesame-street@db.example/ledger")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "me:sesame-street")
    assert b"sesame-street" not in here.run("env")


def _runs(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
