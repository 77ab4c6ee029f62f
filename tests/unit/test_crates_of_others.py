"""Crates that other programs wrote, or somebody edited: what is in them may be anything."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import InvalidRequest
from blocks.storage import LocalStorage
from flows.crate import METADATA
from flows.crate.reading import opened
from flows.crate.verification import verify


def written(folder: Path, *entities: dict[str, Any]) -> None:
    (folder / METADATA).write_text(json.dumps({"@graph": [{"@id": "./", "@type": "Dataset"}, *entities]}))


@pytest.mark.parametrize(
    "told",
    [
        {"sameAs": "https://example.org/"},
        {"sameAs": ["https://example.org/", {}]},
        {"sameAs": {"@id": 5}},
        {"conformsTo": "https://w3id.org/ro/crate/1.1"},
        {"conformsTo": [None, {"@id": None}, ["x"]]},
        {"conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}, "position": "first"},
        {"@type": {}},
    ],
)
def test_what_another_program_says_of_a_folder_is_no_obstacle(tmp_path: Path, told: dict[str, Any]) -> None:
    (tmp_path / "table").write_text("1\n")
    written(tmp_path, {"@id": "data/", "@type": "Dataset", **told}, {"@id": "./table", "@type": "File", "contentSize": 2})

    found = verify(opened(LocalStorage(path=str(tmp_path)), ""))

    assert (found.checked, found.missing, found.changed, found.extra) == (1, [], [], [])


@pytest.mark.parametrize("size", ["two", "²", "9" * 5000, None, [2]])
def test_a_size_that_is_no_number_is_none(tmp_path: Path, size: object) -> None:
    (tmp_path / "table").write_text("1\n")
    written(tmp_path, {"@id": "table", "@type": "File", "contentSize": size, "sha256": None})

    assert verify(opened(LocalStorage(path=str(tmp_path)), "")).ok


def test_a_run_of_which_another_program_wrote_no_sizes_can_be_repeated(tmp_path: Path) -> None:
    asked = {"connector": "sample", "inputs": {}, "compute": {"slug": "chiminey-local"}}
    record = json.dumps({"request": {**asked, "output": {"storage": {"slug": "chiminey-local-storage"}}}})
    (tmp_path / "run.json").write_text(record)
    written(tmp_path, {"@id": "run.json", "@type": "File", "sha256": sha256(record.encode()).hexdigest()})

    assert opened(LocalStorage(path=str(tmp_path)), "").connector == "sample"

    (tmp_path / "run.json").write_text(record.replace("sample", "sampler"))
    with pytest.raises(InvalidRequest, match="is not as the crate says"):
        _ = opened(LocalStorage(path=str(tmp_path)), "").connector


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        "5",
        '{"@graph": 5}',
        '{"@graph": [{}]}',
        '{"@graph": [{"@id": 5}]}',
        '{"@graph": [{"@id": "\\ud800"}]}',
        "[" * 99_999,
    ],
    ids=range(9),
)
def test_what_is_no_crate_is_said(tmp_path: Path, document: str) -> None:
    (tmp_path / METADATA).write_text(document)

    with pytest.raises(InvalidRequest, match="is no metadata of an RO-Crate"):
        opened(LocalStorage(path=str(tmp_path)), "")


@pytest.mark.parametrize("name", ["../outside", "%2e%2e/outside", "/etc/passwd", "a/../../outside"])
def test_files_outside_the_crate_are_missing_whatever_is_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("1\n")
    crate = tmp_path / "crate"
    crate.mkdir()
    written(crate, {"@id": name, "@type": "File"})

    assert len(verify(opened(LocalStorage(path=str(crate)), "")).missing) == 1
