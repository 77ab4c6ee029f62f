"""When a process began, as Linux tells it in /proc and other systems by ps."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from blocks.process_start import began
from flows.ledger import owner


@pytest.fixture(params=["linux", "darwin"], autouse=True)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", request.param)


def test_a_process_has_one_moment_for_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = began(os.getpid())

    monkeypatch.setenv("TZ", "Australia/Melbourne")
    assert moment
    assert began(os.getpid()) == moment


def test_one_that_ended_has_none_even_before_its_parent_asks_for_it() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert began(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert began(child.pid) is None
    assert began(child.pid) is None


def test_an_owner_is_gone_with_its_process() -> None:
    told = [
        sys.executable,
        "-c",
        f"import sys; sys.platform = {sys.platform!r}\nfrom flows.ledger import owner; print(owner.this_process())",
    ]
    ended = subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip()

    assert owner.is_gone(ended)
    assert not owner.is_gone(owner.this_process())
