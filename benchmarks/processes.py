"""Commands as a person types them, each a process of its own: imports included, the Prefect server already up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import Row, best
from blocks.server import embedded

ROOT = Path(__file__).parents[1]
STAGES = 9
BARE = f"""
import asyncio
from prefect import flow, task

@task
async def stage():
    pass

@flow
async def bare():
    for _ in range({STAGES}):
        await stage()

asyncio.run(bare())
"""


def rows(folder: Path) -> Iterator[Row]:
    """One trivial run beside a bare flow, and the commands that are typed most beside typer itself."""
    with _server(folder):
        run = [sys.executable, "-m", "cli", "run", "randnum", "--json"]
        bare = [sys.executable, "-c", BARE]
        _do(run, folder)
        ours, theirs = best(lambda: _do(run, folder), lambda: _do(bare, folder))
        yield Row("one trivial run on this machine", ours, f"a bare async flow with {STAGES} task runs", theirs, 1.5)
        for words in (["--help"], ["jobs"], ["connectors"]):
            command = [sys.executable, "-m", "cli", *words]
            plain = [sys.executable, "-c", "import typer"]
            ours, theirs = best(lambda command=command: _do(command, folder), lambda plain=plain: _do(plain, folder), 5)
            yield Row(f"chiminey {words[0]}", ours, "python -c 'import typer'", theirs, 3.0)


def _do(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def _server(folder: Path) -> Generator[None]:
    """A Prefect server in a home of its own, known to this process and those that it starts."""
    folder.mkdir(parents=True)
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(("PREFECT_", "CHIMINEY_"))]:
        del os.environ[name]
    os.environ |= {"CHIMINEY_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    try:
        embedded.ensure()
        embedded.connect()
        yield
    finally:
        embedded.stop()
        os.environ.clear()
        os.environ.update(before)
