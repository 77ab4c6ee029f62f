"""Deposits from the command line, as their page tells them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, CommandLine
from tests.cli.test_documentation import Person
from tests.servers.dataverse import ALIAS, DataverseServer
from tests.servers.invenio import Invenio

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture
def invenio(tmp_path: Path) -> Iterator[Invenio]:
    server = Invenio(tmp_path / "invenio")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def dataverse(tmp_path: Path) -> Iterator[DataverseServer]:
    server = DataverseServer(tmp_path / "dataverse")
    server.start()
    yield server
    server.stop()


def test_the_page_on_deposits_is_followed(
    chiminey: CommandLine, invenio: Invenio, dataverse: DataverseServer, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    own = {
        "https://sandbox.zenodo.org": invenio.url,
        "https://data.example.org": invenio.url,
        "https://dataverse.example.org": dataverse.url,
    }
    newcomer = {"CHIMINEY_LEDGER": f"sqlite:///{tmp_path}/ledger.db"}  # whose only run of randnum it is
    person = Person(replace(chiminey, environment=chiminey.environment | newcomer), tmp_path / "here", invenio.token, own)
    person.follow("docs/deposit.md")

    ((draft, kept),) = invenio.drafts.items()
    assert kept["metadata"]["creators"][0]["person_or_org"]["family_name"] == "Finch"
    assert kept["metadata"]["rights"] == [{"id": "cc-by-4.0"}]
    (run,) = (tmp_path / "here" / "chiminey-output").iterdir()
    assert kept["files"].keys() == {f"{run.name}.zip", "ro-crate-metadata.json"}
    subprocess.run(["unzip", "-q", invenio.content(draft, f"{run.name}.zip"), "-d", tmp_path / "copy"], check=True)
    assert _files(tmp_path / "copy") == _files(run)
    assert (tmp_path / "copy" / "output").readlink() == Path("output_0")
    verified = chiminey("verify", str(tmp_path / "copy"))
    assert verified.code == 0, verified.errors
    for name in ("archive", "institute", "lab"):
        assert chiminey("resource", "remove", name).code == 0


def test_a_sweep_is_deposited_as_one(chiminey: CommandLine, dataverse: DataverseServer) -> None:
    settings = (f"url={dataverse.url}", f"dataverse={ALIAS}", "contact=fiona@example.org")
    assert chiminey("resource", "add", "dataverse", "verse", *settings, input=f"{dataverse.token}\n").code == 0
    output = chiminey.folder / "deposited"
    swept = chiminey("sweep", "slow", "--sweep", '{"seconds": [0, 0]}', "--output", str(output), "--json")
    assert swept.code == 0, swept.errors
    name = swept.object["name"]

    told = chiminey("deposit", name, "--to", "dataverse", "--title", "Two of them", "--json")
    assert told.code == 0, told.errors
    (draft,) = dataverse.datasets
    assert (told.object["draft"], told.object["sent"]) == (draft, len(dataverse.labels(draft)))
    copy = chiminey.folder / "fetched"
    subprocess.run(["unzip", "-q", dataverse.content(draft, f"{name}.zip"), "-d", copy], check=True)
    assert _files(copy) == _files(output / name)
    assert [path.readlink() for path in sorted(copy.glob("*/output"))] == [Path("output_0")] * 2
    again = chiminey("deposit", name, "--to", "verse", "--json")
    assert (again.object["draft"], again.object["sent"]) == (draft, 0)

    shown = [told.output, told.errors, chiminey("resource", "show", "verse").output, chiminey("show", name, "--json").output]
    assert dataverse.token not in "".join(shown)
    assert not [path for path in output.rglob("*") if path.is_file() and dataverse.token.encode() in path.read_bytes()]
    chiminey("resource", "remove", "verse")


def test_a_run_whose_connector_is_gone_is_described_as_in_its_crate_which_somebody_has_edited(
    chiminey: CommandLine, invenio: Invenio
) -> None:
    added = chiminey("resource", "add", "invenio", "shelf", f"url={invenio.url}", "publisher=Us", input=f"{invenio.token}\n")
    assert added.code == 0, added.errors
    folder = Path(chiminey.environment["CHIMINEY_PATH"]) / "area"
    (folder / "payload" / "process_payload").mkdir(parents=True)
    (folder / "connector.toml").write_text('name = "area"\ndescription = "Areas & volumes."\n')
    (folder / "payload" / "process_payload" / "main.sh").write_text('echo 1 >"$2/answer"\n')
    ran = chiminey("run", "area", "--json")
    assert ran.code == 0, ran.errors
    shutil.rmtree(folder)
    metadata = chiminey.folder / "chiminey-output" / ran.object["name"] / "ro-crate-metadata.json"
    crate = json.loads(metadata.read_text())
    root = next(entity for entity in crate["@graph"] if entity["@id"] == "./")
    root |= {"author": "Lovelace, Ada", "license": {"@id": "https://creativecommons.org/licenses/by/4.0/"}}
    metadata.write_text(json.dumps(crate))

    told = chiminey("deposit", ran.object["name"], "--to", "shelf", "--json")
    chiminey("resource", "remove", "shelf")

    assert told.code == 0, told.errors
    described = invenio.drafts[told.object["draft"]]["metadata"]
    assert described["description"].startswith("<p>Areas &amp; volumes. Run by Chiminey on ")
    assert [each["person_or_org"]["family_name"] for each in described["creators"]] == ["Lovelace"]
    (warning,) = told.object["warnings"]
    assert warning.startswith("the crate's licence, https://creativecommons.org/licenses/by/4.0/, is no SPDX identifier")
    assert warning in told.errors
    assert f"sending {ran.object['name']}.zip" in told.errors


def test_what_can_not_be_deposited_is_told(chiminey: CommandLine, invenio: Invenio) -> None:
    ran = chiminey("run", "slow", "--set", "seconds=0", "--json")
    assert ran.code == 0, ran.errors
    name = ran.object["name"]
    nowhere = chiminey("deposit", name, "--to", "zenodo")
    assert (nowhere.code, "resource add zenodo" in nowhere.errors) == (2, True), nowhere.errors

    wrong = chiminey("resource", "add", "invenio", "wrong", f"url={invenio.url}", "publisher=Us", input="not-the-token\n")
    assert (wrong.code, "not-the-token" in wrong.errors) == (4, False), wrong.errors
    assert (
        chiminey("resource", "add", "invenio", "right", f"url={invenio.url}", "publisher=Us", input=f"{invenio.token}\n").code
        == 0
    )
    author = chiminey("deposit", name, "--to", "right", "--author", "Finch, Fiona; 0000-0002-1825-0098")
    assert (author.code, "is no ORCID" in author.errors) == (2, True), author.errors
    curated = chiminey("curate", name, "--to", "right")
    assert (curated.code, "chiminey deposit" in curated.errors) == (2, True), curated.errors
    into = chiminey("deposit", name, "--to", "right", "--into", "abcde-99999", "--json")
    assert (into.code, "abcde-99999" in json.loads(into.output)["error"]) == (2, True), into.errors
    assert invenio.drafts == {}
    chiminey("resource", "remove", "right")


def test_the_page_says_what_the_command_has() -> None:
    page = (ROOT / "docs" / "deposit.md").read_text()
    options = set(re.findall(r"`(--[a-z]+)", page))
    assert options == {"--to", "--into", "--title", "--author", "--license"}


def _files(folder: Path) -> dict[str, bytes]:
    """The files of a folder, without those that have two names under the second."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if "output" not in name.split("/")}
