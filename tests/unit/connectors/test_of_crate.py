"""The connector of a crate that somebody gave: what it may name, what is looked at before it is used, and who has to trust it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from blocks.compute import ComputeResource, LocalCompute, UnixCompute
from blocks.errors import InvalidRequest
from blocks.storage import LocalStorage
from blocks.tree import Entry
from blocks.tree import file as tree_file
from connectors.of_crate import Choice, chosen
from flows.connector_files import FOLDER
from flows.crate import METADATA
from flows.crate.entities import file
from flows.crate.reading import Crate, opened
from flows.crate.verification import require
from flows.ledger import Ledger, RunRecord
from flows.ledger.owner import this_process

DECLARED = 'name = "visitor"\n'
MAIN = "payload/process_payload/main.sh"
ELSEWHERE = UnixCompute(hosts=["me@elsewhere"])


@dataclass
class Giver:
    """Somebody who writes crates."""

    folder: Path

    def crate(self, declared: str = DECLARED, main: str = 'echo 1 >"$2/one"\n', **more: str) -> Crate:
        """A crate of a run with this connector, whose other files are given by name."""
        request = {"connector": "visitor", "inputs": {}, "compute": {"slug": "chiminey-local"}}
        record = json.dumps({"run_id": "abc", "request": {**request, "output": {"storage": {"slug": "chiminey-local-storage"}}}})
        files = {f"{FOLDER}/connector.toml": declared, f"{FOLDER}/{MAIN}": main, "run.json": record}
        files |= {f"{FOLDER}/{name}": content for name, content in more.items()}
        for name, content in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(content)
        entities = [file(name, checksum(content)) for name, content in files.items()]
        (self.folder / METADATA).write_text(json.dumps({"@graph": entities}))
        return opened(LocalStorage(path=str(self.folder)), "")


def checksum(content: str) -> tuple[int, str]:
    return len(content.encode()), hashlib.sha256(content.encode()).hexdigest()


@pytest.fixture
def giver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Giver:
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CHIMINEY_LEDGER", raising=False)
    monkeypatch.delenv("CHIMINEY_PATH", raising=False)
    (tmp_path / "home").mkdir()
    return Giver(tmp_path / "crate")


def taken(crate: Crate, *, trust: bool = True, compute: ComputeResource | None = None) -> Choice:
    return chosen(crate, compute or LocalCompute(), trust=trust)


def computed_here(giver: Giver, crate: Crate, folder: str) -> None:
    """As if the run of the crate was one of this ledger's, whose connector was in a folder."""
    ledger = Ledger()
    ledger.add(RunRecord("abc", "visitor-abc", "visitor", "{}", folder=folder))
    lease = ledger.acquire("abc", this_process())
    assert lease is not None
    lease.keep_files({FOLDER: {path: (known[0] or 0, known[1]) for path, known in crate.files.items() if path != "run.json"}})
    lease.release()
    ledger.close()


@pytest.mark.parametrize(
    "sweep",
    [
        'csv = "{secret}"',
        'csv = "../secret"',
        'seed = {{ random_file = {{ file = "{secret}", count = 1, high = 9 }} }}',
        'zip = {{ seed = {{ random_file = {{ file = "payload/../../secret", count = 1, high = 9 }} }} }}',
        'zip = [{{ csv = "{secret}" }}]',
        'csv = "a\\u0000b"',
    ],
)
def test_the_sweep_of_a_crate_names_no_file_of_this_machine(giver: Giver, tmp_path: Path, sweep: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0.5\n0.25\n")
    crate = giver.crate(f"{DECLARED}[sweep]\n{sweep.format(secret=secret)}\n")

    with pytest.raises(InvalidRequest, match="it names what is not in its folder, sweep"):
        taken(crate)


def test_the_connector_of_a_crate_reads_no_file_of_this_machine(giver: Giver, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0.5\n")

    with pytest.raises(InvalidRequest, match=r"it names what is not in its folder, files = '\.\./\.\./\.\./secret'"):
        taken(giver.crate(f'{DECLARED}files = ["data", "../../../secret"]\n', **{"data/one": "1"}))


def test_a_sweep_may_name_the_files_that_are_in_the_crate(giver: Giver) -> None:
    crate = giver.crate(f'{DECLARED}arguments = ["n"]\n[sweep]\ncsv = "points.csv"\n', **{"points.csv": "n\n1\n2\n"})

    connector = taken(crate).connector

    assert connector.internal_sweep(None, 0) == {"csv": "points.csv"}
    assert connector.folder != giver.folder / FOLDER


def test_a_place_that_gives_other_files_after_the_check_is_found_out(giver: Giver, monkeypatch: pytest.MonkeyPatch) -> None:
    crate = giver.crate()
    require(crate, FOLDER)
    true = LocalStorage.tree

    def false(self: LocalStorage, path: str) -> Iterator[Entry]:
        for entry in true(self, path):
            is_swapped = self == crate.storage and entry.path.endswith("main.sh")
            yield tree_file(entry.path, b"rm -r ~\n") if is_swapped else entry

    monkeypatch.setattr(LocalStorage, "tree", false)

    with pytest.raises(InvalidRequest, match=r"is not as it was: .*main\.sh"):
        taken(crate)


def test_a_forged_copy_does_not_take_the_place_of_a_true_one(giver: Giver) -> None:
    crate = giver.crate()
    kept = taken(crate).connector.folder
    (giver.folder / FOLDER / MAIN).write_text("rm -r ~\n")

    with pytest.raises(InvalidRequest, match="is not as it was"):
        taken(crate)
    assert (kept / MAIN).read_text() == 'echo 1 >"$2/one"\n'


def test_a_copy_that_was_meddled_with_is_made_anew(giver: Giver) -> None:
    crate = giver.crate()
    kept = taken(crate).connector.folder
    (kept / MAIN).write_text("echo mine\n")

    assert (taken(crate).connector.folder / MAIN).read_text() == 'echo 1 >"$2/one"\n'


def test_programs_of_a_stranger_run_on_this_machine_only_when_they_are_trusted(giver: Giver) -> None:
    crate = giver.crate()

    with pytest.raises(InvalidRequest, match=rf"could do anything on this machine; look at {MAIN} in .*say --trust"):
        taken(crate, trust=False)

    assert taken(crate, trust=False, compute=ELSEWHERE).connector.name == "visitor"
    assert taken(crate, trust=True).connector.name == "visitor"


def test_what_this_person_has_computed_with_before_needs_no_trust(giver: Giver, tmp_path: Path) -> None:
    crate = giver.crate()
    computed_here(giver, crate, str(tmp_path / "mine"))

    assert taken(crate, trust=False).connector.name == "visitor"


def test_a_run_that_was_made_of_a_crates_own_copy_does_not_make_it_ones_own(giver: Giver) -> None:
    crate = giver.crate()
    computed_here(giver, crate, str(taken(crate).connector.folder))

    with pytest.raises(InvalidRequest, match="say --trust"):
        taken(crate, trust=False)


def test_a_crate_that_claims_to_be_of_ones_own_run_with_another_program_is_not(giver: Giver, tmp_path: Path) -> None:
    computed_here(giver, giver.crate(), str(tmp_path / "mine"))

    with pytest.raises(InvalidRequest, match="say --trust"):
        taken(giver.crate(main="rm -r ~\n"), trust=False)


def test_a_copy_is_checked_as_every_connector_is(giver: Giver) -> None:
    crate = giver.crate(f'{DECLARED}arguments = ["nope"]\n')

    with pytest.raises(InvalidRequest, match="arguments: there is no input 'nope'"):
        taken(crate)


def test_a_copy_is_without_the_example_which_its_run_does_not_need(giver: Giver) -> None:
    crate = giver.crate(f'{DECLARED}example_input = "example"\n')

    assert taken(crate).connector.example_input == "example"
