"""What crates are made of: identifiers, entities, checksums; and who they say has run something."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InvalidRequest
from blocks.storage import LocalStorage
from blocks.tree import Entry
from blocks.tree import file as tree_file
from connectors import load
from flows import connector_files
from flows.author import NO_LICENSE, author, licence, uri
from flows.crate import METADATA, document
from flows.crate.entities import file, folders, identifier, path_of, value_identifier
from flows.crate.reading import opened
from flows.crate.verification import verify
from flows.digest import Checksums, Passing
from tests.payloads import connector

PARTS = st.binary(min_size=1, max_size=6).map(
    lambda name: name.replace(b"/", b"-").replace(b"\0", b"-").decode(errors="surrogateescape")
)
NAMES = PARTS.filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=3)


@given(PATHS)
def test_every_path_has_an_identifier_from_which_it_comes_back(path: str) -> None:
    name = identifier(path)

    assert path_of(name) == path
    assert urlsplit(name).path == name, "no part of it is taken for a scheme, a query or a fragment"
    assert name.isascii()


@given(st.sets(PATHS, max_size=8))
def test_every_file_is_a_part_of_exactly_one_thing_and_all_hang_together(paths: set[str]) -> None:
    files: Checksums = {path: (1, "0" * 64) for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
    entities = folders(files)
    parts = [part["@id"] for entity in entities for part in entity["hasPart"]]
    top = [
        name for name in (*map(identifier, files), *(entity["@id"] for entity in entities)) if "/" not in name.removesuffix("/")
    ]

    assert sorted([*parts, *top]) == sorted([*map(identifier, files), *(entity["@id"] for entity in entities)])


@given(JSON, JSON)
def test_only_the_same_value_has_the_same_identifier(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (value_identifier("x", one) == value_identifier("x", other)) == same


@given(st.dictionaries(NAMES, st.binary(max_size=40), max_size=4))
def test_what_passes_is_known_by_size_and_checksum(files: dict[str, bytes]) -> None:
    seen = Passing()
    for entry in seen(tree_file(f"7/{name}", content) for name, content in files.items()):
        list(entry.blocks())

    assert seen.files("7") == {
        f"7/{name}": (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }
    assert seen.files("8") == {}


def test_a_list_of_one_is_written_as_that_one_and_of_two_with_one_name_the_first_stays() -> None:
    described = {"@context": "x", "@graph": [{"@id": "./", "@type": "Dataset"}, {"@id": "a", "@type": "File", "name": "first"}]}

    written = json.loads(document.of(described, ["a"], [], [{"@id": "a", "name": "second"}, {"@id": "b", "of": [{"@id": "a"}]}]))

    assert written["@graph"] == [
        {"@id": "./", "@type": "Dataset", "hasPart": {"@id": "a"}},
        {"@id": "a", "@type": "File", "name": "first"},
        {"@id": "b", "of": {"@id": "a"}},
    ]


def test_author_and_licence_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHIMINEY_AUTHOR", "CHIMINEY_LICENSE"):
        monkeypatch.delenv(name, raising=False)
    assert (uri(author()), bool(author().name), licence()) == ("#author", True, NO_LICENSE)

    monkeypatch.setenv("CHIMINEY_AUTHOR", "Lovelace, Ada; 0000-0002-1825-0097")
    monkeypatch.setenv("CHIMINEY_LICENSE", "CC-BY-4.0")
    assert (author().name, uri(author())) == ("Lovelace, Ada", "https://orcid.org/0000-0002-1825-0097")
    assert licence() == "https://spdx.org/licenses/CC-BY-4.0"


def test_a_connector_is_its_declaration_its_modules_and_its_payload_and_nothing_that_lies_about(tmp_path: Path) -> None:
    home = tmp_path / "mine"
    for name in ("payload/process_payload/main.sh", "lib/__init__.py", "lib/__pycache__/x.pyc", "chiminey-output/run/a", ".git"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    (home / "connector.py").write_text("from flows import SmartConnector\nclass Mine(SmartConnector):\n    name = 'mine'\n")
    from connectors import folder

    mine = folder.read(home)

    assert {entry.path for entry in connector_files.tree(mine) if entry.kind == "file"} == {
        "connector.py",
        "lib/__init__.py",
        "payload/process_payload/main.sh",
    }
    assert (connector_files.declared_in(mine), connector_files.payload_path(mine)) == ("connector.py", "payload")


def test_what_a_connector_reads_is_kept_when_python_finds_it_or_it_is_named(tmp_path: Path) -> None:
    home = tmp_path / "mine"
    names = ("code/a.py", "code/deep/b.txt", ".hidden/a.py", "start/here/values", "start/a.py", "data/x/1", "data/y", "left/1")
    for name in ("main/process_payload/main.sh", "main/a.py", *names):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    declared = 'name = "mine"\npayload = "./main"\nexample_input = "start"\nfiles = ["data/x", "data/y", "./code/a.py"]\n'
    (home / "connector.toml").write_text(declared)
    from connectors import folder

    paths = [entry.path for entry in connector_files.tree(folder.read(home)) if entry.kind == "file"]

    expected = [
        "code/a.py",
        "code/deep/b.txt",
        "connector.toml",
        "data/x/1",
        "data/y",
        "main/a.py",
        "main/process_payload/main.sh",
    ]
    assert sorted(paths) == expected


def test_of_a_connector_that_shares_its_folder_only_its_own_file_is_taken(tmp_path: Path) -> None:
    sample = connector(tmp_path, "true")

    paths = {entry.path for entry in connector_files.tree(sample) if entry.kind == "file"}

    assert paths == {"payloads.py", "payload/process_payload/main.sh"}


def test_the_example_of_a_connector_is_no_part_of_it() -> None:
    paths = {PurePosixPath(entry.path).parts[0] for entry in connector_files.tree(load("hrmc"))}

    assert "example_input" not in paths
    assert {"connector.py", "payload"} <= paths


def crate(folder: Path, files: dict[str, bytes]) -> LocalStorage:
    """A crate of somebody else's making."""
    entities = [file(name, (len(content), hashlib.sha256(content).hexdigest())) for name, content in files.items()]
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / METADATA).write_text(json.dumps({"@context": "x", "@graph": entities}))
    return LocalStorage(path=str(folder))


def test_a_task_may_have_written_a_crate_itself(tmp_path: Path) -> None:
    storage = crate(tmp_path, {f"output_0/1/{METADATA}": b"{}"})

    found = verify(opened(storage, ""))

    assert (found.ok, found.checked, found.extra) == (True, 1, [])


def test_a_crate_without_checksums_is_checked_for_what_it_says(tmp_path: Path) -> None:
    storage = crate(tmp_path, {})
    (tmp_path / "a").write_text("a")
    (tmp_path / METADATA).write_text(
        '{"@graph": [{"@id": "a", "@type": "File"}, {"@id": "https://example.org/b", "@type": "File"}]}'
    )

    assert verify(opened(storage, "")).checked == 1


def test_a_file_that_can_not_be_read_is_told_and_the_others_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = crate(tmp_path, {"a": b"a", "b": b"b", "c": b"c"})
    tree = LocalStorage.tree

    def vanishing(self: LocalStorage, path: str) -> Iterator[Entry]:
        for entry in tree(self, path):
            if entry.path == "b":
                (tmp_path / "b").unlink()
            yield entry

    monkeypatch.setattr(LocalStorage, "tree", vanishing)
    found = verify(opened(storage, ""))

    assert (found.ok, found.checked, found.unreadable, found.missing, found.changed) == (False, 2, ["b"], [], [])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"@graph": [{}]}', "\xff"])
def test_what_is_no_metadata_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / METADATA).write_text(text, encoding="latin-1")

    with pytest.raises(InvalidRequest, match="is no metadata of an RO-Crate"):
        opened(LocalStorage(path=str(tmp_path)), "")


def test_a_folder_without_metadata_is_no_crate(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is no crate, for it has no"):
        opened(LocalStorage(path=str(tmp_path)), "")
