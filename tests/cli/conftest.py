"""The program ``chiminey`` as a process of its own, in a home with a Prefect server that was started by its first command.

Each module has a home of its own: no test finds the resources and the runs of another module.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.object_stores_fixture import s3

__all__ = ["CommandLine", "chiminey", "s3"]

ROOT = Path(__file__).parents[2]

_SLOW = 'echo "first line"; echo "a complaint" >&2; i=0; while [ $i -lt $3 ]; do sleep 1; i=$((i+1)); done; echo "last line"\n'
_PICKY = 'grep -q \'"k": 1\' "$CHIMINEY_VALUES" || { echo "the disk is purple" >&2; exit 3; }\n'
_SWALLOWING = """
import sys
import time

from flows import SmartConnector


class Swallowing(SmartConnector):
    name = "swallowing"
    asked = False

    def internal_sweep(self, inputs, iteration):
        if not self.asked:
            type(self).asked = True
            try:
                print("swallowing now", file=sys.stderr, flush=True)
                time.sleep(20)
            except BaseException:
                pass
        return {}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    output: str
    errors: str

    @property
    def object(self) -> Any:
        return json.loads(self.output)


@dataclass(frozen=True)
class CommandLine:
    """A person at a terminal, with a home and a folder to stand in."""

    environment: dict[str, str]
    folder: Path

    def __call__(self, *words: str, input: str | None = None) -> Done:
        with self.start(*words, stdin=subprocess.PIPE) as process:
            output, errors = process.communicate(input, timeout=250)
        return Done(process.returncode, output, errors)

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def shell(self, text: str, folder: Path, input: str = "", **environment: str) -> Done:
        """Run lines of shell in a folder, as far as they succeed, with the command ``chiminey``."""
        program = self.folder.parent / "bin" / "chiminey"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
        program.chmod(0o755)
        path = f"{program.parent}{os.pathsep}{self.environment['PATH']}"
        given = {**self.environment, "PATH": path, **environment}
        ran = subprocess.run(
            ["sh", "-e", "-c", text], cwd=folder, env=given, input=input, capture_output=True, text=True, check=False, timeout=300
        )
        return Done(ran.returncode, ran.stdout, ran.stderr)

    def run(self, name: str) -> dict[str, Any]:
        """What ``chiminey jobs`` says of a run."""
        return next(row for row in self("jobs", "--json").object if row["name"] == name)


@pytest.fixture(scope="module")
def chiminey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    folder = tmp_path_factory.mktemp("command_line")
    connectors = folder / "connectors"
    _connector(
        connectors / "slow", 'arguments = ["seconds"]\n[inputs.seconds]\ntype = "integer"\ndefault = 1\nminimum = 0\n', _SLOW
    )
    _connector(connectors / "picky", "", _PICKY)
    _connector(connectors / "swallowing", "", "sleep 30\n")
    (connectors / "swallowing" / "connector.toml").unlink()
    (connectors / "swallowing" / "connector.py").write_text(_SWALLOWING)
    (folder / "here").mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "CHIMINEY_"))}
    own = {"HOME": str(folder), "CHIMINEY_HOME": str(folder / "home"), "CHIMINEY_PATH": str(connectors), "PYTHONPATH": str(ROOT)}
    command_line = CommandLine({**clean, **own}, folder / "here")
    yield command_line
    assert command_line("down").code == 0


def _connector(folder: Path, declared: str, main: str) -> None:
    process = folder / "payload" / "process_payload"
    process.mkdir(parents=True)
    (folder / "connector.toml").write_text(f'name = "{folder.name}"\n{declared}')
    (process / "main.sh").write_text(main)
