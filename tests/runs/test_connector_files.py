"""What is kept of a connector with its run is enough to repeat it, and shows what has changed in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blocks.compute import LocalCompute
from blocks.errors import InvalidRequest
from blocks.storage import LocalStorage
from connectors import catalogue, load
from connectors.of_crate import chosen
from flows import SmartConnector
from flows.crate.reading import Crate, opened
from tests.engine import Lab

LOCAL = LocalCompute(slots=2)
DECLARED = """\
name = "reader"
arguments = ["n"]
[inputs.n]
type = "integer"
default = 0
[sweep]
"""
IN_PYTHON = """\
from pathlib import Path
from flows import Inputs, SmartConnector
from .physics.constants import PLUS

class Reader(SmartConnector):
    name = "reader"
    arguments = ("n",)
    files = ("data/deep",)

    def internal_sweep(self, inputs, iteration):
        start = int((self.folder / "data" / "deep" / "start").read_text())
        return {"n": [start, start + PLUS]}
"""


def write(folder: Path, **files: str) -> Path:
    """A connector's files, with a program that keeps what it was given."""
    for name, content in {"payload/process_payload/main.sh": 'echo "$3" >"$2/n"\n', **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a connector that is installed."""
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CHIMINEY_LEDGER", raising=False)
    (tmp_path / "home").mkdir()
    shelf = tmp_path / "shelf"
    monkeypatch.setenv("CHIMINEY_PATH", str(shelf))
    return shelf / "reader"


def numbers(lab: Lab, connector: SmartConnector) -> tuple[list[str], Crate]:
    """What the tasks of a run kept, and its crate."""
    folder = lab.folder(lab.go(connector, LOCAL))
    found = [(folder / "output" / str(task) / "n").read_text().strip() for task in (1, 2)]
    return found, opened(LocalStorage(path=str(folder)), "")


def taken(crate: Crate) -> tuple[SmartConnector, str]:
    choice = chosen(crate, LOCAL, trust=True)
    return choice.connector, choice.why


@pytest.mark.parametrize(
    ("sweep", "table"),
    [
        ('csv = "tables/points.csv"', "n\n{}\n{}\n"),
        ('zip = [{{ n = {{ random_file = {{ file = "tables/points.csv", count = 2, high = 1000 }} }} }}]', "0.00{}\n0.00{}\n"),
    ],
    ids=["csv", "random_file"],
)
def test_a_stranger_repeats_a_run_whose_points_are_in_a_folder_of_the_connector(
    home: Path, tmp_path: Path, sweep: str, table: str
) -> None:
    write(home, **{"connector.toml": DECLARED + sweep.replace("{{", "{").replace("}}", "}")})
    write(home, **{"tables/points.csv": table.format(3, 5)})
    first, crate = numbers(Lab(tmp_path), load("reader"))
    assert first == ["3", "5"]

    write(home, **{"tables/points.csv": table.format(4, 6)})
    other, why = taken(crate)
    assert "differs from the crate's in tables/points.csv, so the crate's own copy is used" in why
    assert numbers(Lab(tmp_path), other)[0] == first

    shutil.rmtree(home)
    copy, why = taken(crate)
    assert "there is no connector reader here" in why
    assert numbers(Lab(tmp_path), copy)[0] == first


def test_a_stranger_repeats_a_run_of_a_connector_with_packages_and_data_of_its_own(home: Path, tmp_path: Path) -> None:
    code = {"connector.py": IN_PYTHON, "physics/constants.py": "PLUS = 2\n", "data/deep/start": "3"}
    write(home, **code, **{"data/other": "x"})
    first, crate = numbers(Lab(tmp_path), load("reader"))
    assert first == ["3", "5"]
    assert taken(crate)[1] == "the installed connector reader is the same as the crate's, and is used"

    write(home, **{"data/deep/start": "4"})
    assert "differs from the crate's in data/deep/start, so" in taken(crate)[1]

    shutil.rmtree(home)
    assert numbers(Lab(tmp_path), taken(crate)[0])[0] == first


def test_a_payload_that_the_connector_has_a_link_to_is_kept_and_computed_with(home: Path, tmp_path: Path) -> None:
    shared = write(tmp_path / "shared") / "payload"
    write(home, **{"connector.toml": f"{DECLARED}n = [3, 5]\n"})
    shutil.rmtree(home / "payload")
    (home / "payload").symlink_to(shared)
    first, crate = numbers(Lab(tmp_path), load("reader"))
    assert first == ["3", "5"]
    assert "is the same as the crate's" in taken(crate)[1]

    (shared / "process_payload" / "main.sh").write_text('echo other >"$2/n"\n')
    assert "differs from the crate's in payload/process_payload/main.sh" in taken(crate)[1]
    assert numbers(Lab(tmp_path), taken(crate)[0])[0] == first


@pytest.mark.parametrize("given", ["../shared", "payload/../../shared", "{shared}", "."])
def test_a_payload_outside_the_connectors_folder_is_refused_with_what_to_do(home: Path, tmp_path: Path, given: str) -> None:
    given = given.format(shared=tmp_path / "shared")
    write(home.parent / "shared" / "once")
    write(tmp_path / "shared")
    write(home, **{"connector.toml": f'payload = "{given}"\n{DECLARED}'})

    with pytest.raises(InvalidRequest) as refused:
        load("reader")

    sentence = f"the payload '{given}' is not in the connector's folder, which is kept with each run; put it, or a link to it, "
    assert f"{sentence}into {home}" in str(refused.value)


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ('files = ["nowhere"]\n', "files: {home}/nowhere does not exist"),
        ('files = ["../shared"]\n', "'../shared', which it reads, is not in the connector's folder"),
        ('files = ["."]\n', "'.', which it reads, is not in the connector's folder"),
        ("", "'../points.csv', which it reads, is not in the connector's folder"),
    ],
)
def test_files_that_could_not_be_kept_are_told(home: Path, declared: str, reason: str) -> None:
    write(home, **{"connector.toml": f'{declared}{DECLARED}csv = "../points.csv"\n', "../points.csv": "n\n3\n"})
    write(home.parent / "shared")

    (broken,) = catalogue().broken

    assert reason.format(home=home) in broken.reason
