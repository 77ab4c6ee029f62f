"""The one object that ``--json`` prints on standard output, whatever becomes of the command."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

_given: list[str] = []


def give(answer: Any) -> None:
    """Print it: what can be written as JSON, or text that is JSON already."""
    _given.append(answer if isinstance(answer, str) else json.dumps(answer))
    typer.echo(_given[-1])


def give_error(sentences: tuple[str, ...]) -> None:
    """Print why there is no other answer, where one was asked for and not given yet."""
    if not _given and "--json" in sys.argv[1:]:
        give({"error": "\n".join(sentences)})
