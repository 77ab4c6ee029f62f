"""What is left behind in a process of its own."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.errors import ChimineyError
from cli import carry_out

ROOT = Path(__file__).parents[3]
ENDLESS = """
import time
from flows import SmartConnector

time.sleep(600)
"""


def test_one_that_does_not_begin_within_the_limit_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless" / "payload" / "process_payload").mkdir(parents=True)
    (tmp_path / "endless" / "payload" / "process_payload" / "main.sh").write_text("true\n")
    (tmp_path / "endless" / "connector.py").write_text(ENDLESS)
    for name, value in (("HOME", tmp_path / "home"), ("PATH", tmp_path)):
        monkeypatch.setenv(f"CHIMINEY_{name}", str(value))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(sys, "argv", ["chiminey", "run", "endless", "--detach"])
    monkeypatch.setattr(carry_out, "_DETACH_SECONDS", 0.5)
    run = secrets.token_hex(5)

    with pytest.raises(ChimineyError, match=r"has not begun after .* seconds and was stopped"):
        carry_out.leave_behind(run, "endless", False, ())

    left = subprocess.run(["pgrep", "-f", "--", f"--run-id {run}"], stdout=subprocess.PIPE, check=False)
    assert left.stdout == b""
