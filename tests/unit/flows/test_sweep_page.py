"""docs/sweeps.md: every map of the page has the points, or the mistakes, that the page says."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import InvalidRequest
from flows.sweep_map import given

PAGE = (Path(__file__).parents[3] / "docs" / "sweeps.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

BLOCKS = [(match[1], match[2], match[3]) for match in BLOCK.finditer(PAGE)]
FILES = {name: text for _, name, text in BLOCKS if name}
MAPS = [(text, following, answer) for (language, _, text), (following, _, answer) in pairwise(BLOCKS) if language == "json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def lines(points: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(point) + "\n" for point in points)


@pytest.mark.parametrize(("text", "told"), [(text, answer) for text, kind, answer in MAPS if kind == "points"])
def test_a_map_of_the_page_has_the_points_of_the_page(folder: Path, text: str, told: str) -> None:
    assert lines(list(given(json.loads(text), folder).points())) == told


@pytest.mark.parametrize(("text", "told"), [(text, answer) for text, kind, answer in MAPS if kind == "problems"])
def test_a_wrong_map_of_the_page_is_answered_as_the_page_says(folder: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        given(json.loads(text), folder)

    assert list(raised.value.problems) == told.splitlines()


def test_the_map_in_toml_is_one(folder: Path) -> None:
    (text,) = (text for language, _, text in BLOCKS if language == "toml")

    assert given(tomllib.loads(text)["sweep"], folder).count() == 5 * 2


def test_every_map_of_the_page_is_followed_by_what_it_gives() -> None:
    assert len(MAPS) == sum(language == "json" for language, _, _ in BLOCKS)
    assert {kind for _, kind, _ in MAPS} == {"points", "problems"}
