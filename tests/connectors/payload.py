"""A payload without ``arguments`` alone: what a host does for one task, without the engine."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import SmartConnector
from flows.templates import SUFFIX, Templates

INPUT, OUTPUT = "smart_connector_input", "chiminey_output"


def run(
    connector: SmartConnector,
    folder: Path,
    start_point: str,
    values: Mapping[str, Any],
    *,
    shell: str = "sh",
    files: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a start point of the example with values above its own; ``files`` stand in its input instead of what it has."""
    assert connector.payload_folder is not None
    example = connector.folder / str(connector.example_input)
    given = {**_values(example), **_values(example / start_point), **values}
    shutil.copytree(connector.payload_folder / "process_payload", folder, dirs_exist_ok=True)
    shutil.copytree(example / start_point, folder / INPUT)
    (folder / OUTPUT).mkdir()
    templates = {path.name: path.read_bytes() for path in (folder / INPUT).glob(f"*{SUFFIX}")}
    for name, content in Templates(templates, start_point).render(given).items():
        (folder / INPUT / name).write_bytes(content)
    for name, text in (files or {}).items():
        (folder / INPUT / name).write_text(text)
    done = subprocess.CompletedProcess[str]([], 0)
    for script in ("schedule.sh", "main.sh"):
        if (folder / script).is_file() and done.returncode == 0:
            done = subprocess.run([shell, script, INPUT, OUTPUT], cwd=folder, capture_output=True, text=True, check=False)
    return done


def result(folder: Path) -> dict[str, Any]:
    """What the task wrote into ``result.json``."""
    return json.loads((folder / OUTPUT / "result.json").read_text())


def _values(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "values").read_text()) if (folder / "values").is_file() else {}
