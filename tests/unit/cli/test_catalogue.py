"""``chiminey connectors``: what a person reads of each connector's inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import catalogue

DECLARED = """
from enum import Enum
from pydantic import Field
from flows import Inputs, SmartConnector

class Colour(Enum):
    RED = "red"

class Painter(SmartConnector):
    name = "painter"
    class Inputs(Inputs):
        colour: Colour = Field(default=Colour.RED, description="Of the wall.")
        coats: list[int] = Field(default_factory=lambda: [1, 2], description="Layers.")
"""


def test_defaults_are_shown_as_they_are_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = tmp_path / "painter/payload/process_payload/main.sh"
    main.parent.mkdir(parents=True)
    main.touch()
    (tmp_path / "painter" / "connector.py").write_text(DECLARED)
    monkeypatch.setenv("CHIMINEY_PATH", str(tmp_path))
    catalogue.connectors()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "colour [red]  Of the wall." in lines
    assert "coats [[1, 2]]  Layers." in lines
