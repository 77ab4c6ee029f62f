"""The scheduler's commands are found where only a login finds them, whatever its profiles do beside that; in every shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from blocks.scheduler import commands
from blocks.scheduler.slurm import Slurm

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
FOUND = 'PATH="$HOME/scheduler:$PATH"; export PATH\n'


class Site(Slurm):
    """A scheduler that this machine does not have."""

    command = "submit-to-the-site"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which the scheduler is, without a profile."""
    command = tmp_path / "scheduler" / Site.command
    command.parent.mkdir()
    command.write_text('#!/bin/sh\necho "$SLURM_CONF|$EDITOR"\n')
    command.chmod(0o755)
    return tmp_path


def run(home: Path, script: str, shell: str = "dash") -> subprocess.CompletedProcess[str]:
    """What a script does that comes over SSH, with other things behind it on standard input."""
    return subprocess.run(
        [*([shell, "sh"] if shell == "busybox" else [shell]), "-c", f"{script}\n{Site.command}; cat"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "EDITOR": "vi"},
        input="the rest",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", [".bash_profile", ".profile"])
@pytest.mark.parametrize(
    "profile",
    [
        f'echo "Welcome!"; echo "Quota: 95%" >&2\n{FOUND}',
        f"{FOUND}return 3\n",
        f"{FOUND}exit 3\n",
        f"{FOUND}read answer; cat\n",
        f"set -eu\n{FOUND}false\n",
        f"{FOUND}export TMOUT=900; readonly TMOUT\n",
        f"nonsense --of a site\n{FOUND}echo $1 ${{never_set}}\n",
    ],
)
def test_a_profile_may_do_what_it_likes(home: Path, shell: str, name: str, profile: str) -> None:
    (home / name).write_text(f'export SLURM_CONF="/site\'s/slurm conf" EDITOR=emacs\n{profile}')
    result = run(home, commands.need(Site()), shell)
    assert (result.returncode, result.stdout, result.stderr) == (0, "/site's/slurm conf|vi\nthe rest", "")


def test_no_profile_is_read_where_the_command_is_there(home: Path) -> None:
    (home / ".profile").write_text("touch $HOME/read\n")
    assert run(home, f"{FOUND}{commands.need(Site())}").returncode == 0
    assert not (home / "read").exists()


def test_a_host_without_the_command_is_told_with_what_to_do(home: Path) -> None:
    result = run(home, commands.need(Site()))
    assert result.returncode == 1
    assert result.stderr.startswith(f"there is no {Site.command} command on this host")
    assert "put the folder of Slurm's commands into PATH in ~/.profile" in result.stderr
