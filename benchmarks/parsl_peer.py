"""Parsl as a peer: installed where the hosts see it, and run by an interpreter that they have."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import ssh
from tests.servers.sshd import SSHD

ROOT = Path(__file__).parents[1]
PYTHON = "/usr/bin/python3"  # the machine's: an interpreter in somebody's home is none that the hosts' user may read


@contextmanager
def installed() -> Generator[Path]:
    """A folder with Parsl in it. Hosts have a /tmp of their own, and share /var/tmp with this machine."""
    with tempfile.TemporaryDirectory(prefix="chiminey-parsl", dir="/var/tmp") as name:
        site = Path(name)
        install = [ROOT / ".venv/bin/uv", "pip", "install", "--quiet", "--python", PYTHON, "--target", site, "--group", "bench"]
        subprocess.run(install, cwd=ROOT, check=True)
        site.chmod(0o755)
        yield site


def parsl(site: Path, hosts: list[SSHD], main: str, tasks: int, folder: Path) -> None:
    """Every task on a worker of some host, its output brought back as the result."""
    folder.mkdir(parents=True)
    for host in hosts:
        (host.home / "main.sh").write_text(main)
        (host.home / "main.sh").chmod(0o644)
        subprocess.run([*ssh(host), "rm -rf w"], check=True)
    logins = "\n".join(shlex.join(ssh(host)) for host in hosts)
    program = Path(__file__).with_name("parsl_program.py")
    environment = {**os.environ, "PYTHONPATH": str(site), "PATH": f"{site}/bin:{os.environ['PATH']}"}
    subprocess.run(
        [PYTHON, program, site, folder, str(tasks)],
        input=logins,
        text=True,
        env=environment,
        check=True,
        stderr=subprocess.DEVNULL,
    )
