"""Connectors made on the spot from a few lines of shell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import SmartConnector


def connector(folder: Path, main: str, sweep: Mapping[str, Any] | None = None, **declared: Any) -> SmartConnector:
    """A connector whose payload has this ``main.sh``; other scripts by keyword: ``schedule``, ``bootstrap``, ``files``."""
    payload = folder / "payload"
    process = payload / "process_payload"
    process.mkdir(parents=True, exist_ok=True)
    main_script = process / "main.sh"
    if not main_script.exists() or main_script.read_text() != main:  # several controllers may have it at the same time
        main_script.write_text(main)
    for name, place in (("schedule", process), ("bootstrap", payload)):
        if name in declared:
            (place / f"{name}.sh").write_text(declared.pop(name))
    files: Mapping[str, bytes] = declared.pop("files", {})
    for name, content in files.items():
        (process / name).parent.mkdir(parents=True, exist_ok=True)
        (process / name).write_bytes(content)
    members = {
        "name": "sample",
        "payload": str(payload),
        "internal_sweep": lambda _self, _inputs, _iteration: sweep or {},
        **declared,
    }
    return type("Sample", (SmartConnector,), members)()
