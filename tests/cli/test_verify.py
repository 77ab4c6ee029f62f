"""``chiminey verify`` of what somebody has: folders with odd names in them, zips, and names that stand for several things."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from blocks.errors import InvalidRequest
from flows.crate import METADATA, copies
from flows.crate.entities import file
from flows.ledger import Ledger, RunRecord
from tests.cli.conftest import CommandLine

FILES = {"table": b"1\n", "payload/main.sh": b"echo\n"}
LINK = (stat.S_IFLNK | 0o777) << 16


@pytest.fixture
def person(chiminey: CommandLine, tmp_path: Path) -> CommandLine:
    """Somebody with a home of their own, at a terminal that takes UTF-8 and nothing else."""
    own = {"CHIMINEY_HOME": str(tmp_path / "home"), "PYTHONIOENCODING": "utf-8:strict"}
    return replace(chiminey, environment={**chiminey.environment, **own})


def metadata(files: Mapping[str, bytes]) -> bytes:
    entities = [file(name, (len(content), hashlib.sha256(content).hexdigest())) for name, content in files.items()]
    return json.dumps({"@graph": entities}).encode()


def crate(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, content in {**files, METADATA: metadata(files)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(archive: Path, within: str = "", more: Mapping[str, bytes] = {}, links: Mapping[str, str] = {}) -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in {**FILES, METADATA: metadata(FILES)}.items():
            info = zipfile.ZipInfo(f"{within}{name}")
            info.external_attr = (stat.S_IFREG | 0o755) << 16
            opened.writestr(info, content)
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = LINK
            opened.writestr(info, target)
        for name, content in more.items():
            opened.writestr(name, content)
    return archive


def test_names_that_no_terminal_should_be_sent_are_quoted(person: CommandLine, tmp_path: Path) -> None:
    folder = crate(tmp_path / "crate", {**FILES, "gone\n2 files are as the crate says": b""})
    (folder / "gone\n2 files are as the crate says").unlink()
    (folder / os.fsdecode(b"a\xff")).touch()
    (folder / "\x1b[2Jnotes").touch()
    (folder / "für").touch()

    told = person("verify", str(folder))

    assert told.code == 1, told.errors
    assert told.output.splitlines() == [
        r"missing: 'gone\n2 files are as the crate says'",
        r"extra, not of the run: '\x1b[2Jnotes'",
        r"extra, not of the run: 'a\udcff'",
        "extra, not of the run: für",
        f"{folder}: 2 files are as the crate says; 1 is not",
    ]


@pytest.mark.parametrize(
    ("within", "more"),
    [("", {}), ("results/", {}), ("results/", {"__MACOSX/results/._table": b"x"})],
    ids=["at its top", "in a folder", "by a Mac"],
)
def test_a_zip_is_checked_as_the_folder_in_it(
    person: CommandLine, tmp_path: Path, within: str, more: Mapping[str, bytes]
) -> None:
    archive = zipped(tmp_path / "crate.zip", within, more)

    told = person("verify", str(archive), "--json")

    assert told.code == 0, told.errors
    assert (told.object["crate"], told.object["checked"], told.object["extra"]) == (str(archive), 2, [])
    assert not [*(tmp_path / "home" / "crates").iterdir()], "it was only looked at"


def test_a_zip_is_kept_for_what_uses_it_longer_with_the_permissions_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))

    folder = copies.unpacked(zipped(tmp_path / "crate.zip", "results/"))

    assert folder.is_relative_to(tmp_path / "home" / "crates")
    assert os.access(folder / "payload" / "main.sh", os.X_OK)


@pytest.mark.parametrize("name", ["../outside", "/outside", "payload/../../outside"])
def test_a_zip_writes_nothing_beside_its_folder(person: CommandLine, tmp_path: Path, name: str) -> None:
    refused = person("verify", str(zipped(tmp_path / "crate.zip", more={name: b"x"})))

    assert refused.code == 2
    assert "crate.zip can't be unpacked" in refused.errors
    assert not [*tmp_path.rglob("outside")]


def test_links_of_a_zip_lead_nowhere_else(person: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    links = {"out": str(tmp_path / "mine"), "up": "payload/../../../..", "in": "payload"}

    told = person("verify", str(zipped(tmp_path / "crate.zip", links=links)), "--json")
    through = person("verify", str(zipped(tmp_path / "other.zip", links=links, more={"out/written": b"x"})))

    assert told.code == 0, told.errors
    assert through.code == 2
    assert not [*(tmp_path / "mine").iterdir()]

    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))
    folder = copies.unpacked(tmp_path / "crate.zip")
    assert [path.name for path in folder.rglob("*") if path.is_symlink()] == ["in"]


def test_a_zip_that_is_damaged_is_told(person: CommandLine, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "crate.zip")
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"echo\n", b"ohce\n", 1))

    refused = person("verify", str(archive))

    assert refused.code == 2
    assert "is no zip that can be read" in refused.errors


def test_the_start_of_several_runs_is_told_as_that(person: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ledger = Ledger(f"sqlite:///{tmp_path}/home/ledger.db")
    for run in ("aa1", "aa2"):
        ledger.add(RunRecord(run, f"area-{run}", "area", "{}"))
    ledger.close()

    refused = person("verify", "area-a")

    assert refused.code == 2
    assert "'area-a' is the start of several runs (area-aa" in refused.errors


def test_the_home_of_nobody_is_told(person: CommandLine) -> None:
    refused = person("verify", "~nobody-of-this-name/x")

    assert refused.code == 2
    assert "is in the home of somebody who is not known on this machine" in refused.errors


def test_a_zip_of_something_else_is_told_by_its_own_name(
    person: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))
    archive = tmp_path / "holiday.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("beach.txt", "sand")

    refused = person("verify", str(archive))

    assert (refused.code, f"{archive} is no crate" in refused.errors) == (2, True)
    with pytest.raises(InvalidRequest, match="is no crate"):
        copies.unpacked(archive)
    assert not [*copies.place().iterdir()]
