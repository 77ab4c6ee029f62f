"""Modules in a job, whose shell is no login: what the site sets for them in its profile is read where there is no command yet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from blocks.job import JobRequest
from blocks.scheduler import job_script

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
WANTED = JobRequest(modules=["gcc/12"], environment={"LEVEL": "deep"}, prologue='echo "$LEVEL $PATH"')
PROFILE = 'echo "Welcome!"\nPATH=/site/bin:/usr/bin:/bin\nmodule() { echo "$1 $2"; }\n'


def run(shell: str, script: str, profile: Path) -> list[str]:
    """What a job's shell prints, of a node with this profile."""
    ended = subprocess.run(
        [shell, "-c", script.replace("/etc/profile", str(profile))],
        env={"PATH": "/usr/bin:/bin:/given/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_is_that_of_the_profile_which_prints_nothing_and_hides_nothing(tmp_path: Path, shell: str) -> None:
    (tmp_path / "profile").write_text(PROFILE)
    told = run(shell, job_script.setting(WANTED), tmp_path / "profile")
    assert told == ["load gcc/12", "deep /site/bin:/usr/bin:/bin:/usr/bin:/bin:/given/bin"]


@pytest.mark.parametrize("shell", SHELLS)
def test_no_profile_is_read_where_the_command_is_there(tmp_path: Path, shell: str) -> None:
    (tmp_path / "profile").write_text(PROFILE)
    script = f'module() {{ echo "$1 $2 as it was"; }}\n{job_script.setting(WANTED)}'
    assert run(shell, script, tmp_path / "profile") == ["load gcc/12 as it was", "deep /usr/bin:/bin:/given/bin"]
