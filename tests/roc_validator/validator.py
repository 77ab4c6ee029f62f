"""The field's validator of RO-Crates, and runcrate, which reads those of runs: programs in an environment of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = Path("/var/cache/chiminey-tests/roc-validator")
PROFILE = "provenance-run-crate-0.5"


@pytest.fixture(scope="session")
def installed() -> None:
    """Skip the test when it is not there."""
    if not (ENVIRONMENT / "installed").exists():
        pytest.skip(f"needs roc-validator in {ENVIRONMENT}, where scripts/test installs it")


def violations(crate: Path, profile: str = PROFILE) -> list[str]:
    """What a crate must be and is not, without asking the internet."""
    command = ["validate", "--profile-identifier", profile, "--requirement-severity", "REQUIRED", "--output-format", "json"]
    offline = ["--offline", "--cache-path", str(ENVIRONMENT / "cache"), "--no-paging"]
    done = _run("rocrate-validator", *command, *offline, str(crate))
    told: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    found = [f"{issue['violatingEntity']}: {issue['message']}" for issue in told["issues"]]
    assert told["passed"] == (not found) == (done.returncode == 0), done.stdout + done.stderr
    return found


def report(crate: Path) -> str:
    """What runcrate says that was run."""
    done = _run("runcrate", "report", str(crate))
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ENVIRONMENT / "bin" / program, *words], capture_output=True, text=True, check=False, timeout=240)
