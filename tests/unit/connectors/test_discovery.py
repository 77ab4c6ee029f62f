"""Finding connectors, and telling about broken ones."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from blocks.errors import InvalidRequest
from connectors import catalogue, discovery, load, load_again
from connectors.scaffold import scaffold
from flows import SmartConnector

PYTHON = """
from flows import Inputs, SmartConnector
class {title}(SmartConnector):
    name = "{name}"
    {rest}
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHIMINEY_PATH", str(tmp_path))
    return tmp_path


def declare(folder: Path, text: str, file: str = "connector.py", payload: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / file).write_text(text)
    if payload:
        main = folder / "payload/process_payload/main.sh"
        main.parent.mkdir(parents=True)
        main.write_text("true\n")
    return folder


def test_own_connectors_are_sound_and_prefect_is_not_imported() -> None:
    program = "import sys, connectors; c = connectors.catalogue(); print(*c.connectors, *c.broken, 'prefect' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "CHIMINEY_PATH"}
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment).stdout
    names = printed.split()
    assert {"randnum", "spice"} <= set(names)
    assert names[-1] == "False"


def test_a_folder_itself_or_its_parent(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = scaffold("area", shelf, python=True)
    assert load("area").folder == folder
    monkeypatch.setenv("CHIMINEY_PATH", os.pathsep.join([str(shelf / "elsewhere"), str(folder)]))
    assert load("area").payload_folder == folder / "payload"
    assert "elsewhere" in str(catalogue().broken)


@pytest.fixture
def open_shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A shelf with a connector that somebody who is not root looks at."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        scaffold("area", folder, python=False)
        monkeypatch.setenv("CHIMINEY_PATH", name)
        yield folder


@contextmanager
def nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_beside_connectors_that_can_not_be_read_is_nobodys_concern(open_shelf: Path) -> None:
    (open_shelf / "private").mkdir(mode=0o700)

    with nobody():
        found = catalogue()

    assert "area" in found.connectors
    assert found.broken == []


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o744])
def test_a_folder_of_connectors_that_can_not_be_read_is_told_and_the_others_work(
    open_shelf: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    closed = open_shelf / "closed"
    scaffold("volume", closed, python=False)
    closed.chmod(mode)
    monkeypatch.setenv("CHIMINEY_PATH", f"{open_shelf}{os.pathsep}{closed}")

    with nobody():
        found = catalogue()

    assert "area" in found.connectors
    (broken,) = found.broken
    assert (broken.file, broken.reason) == (
        str(closed),
        "CHIMINEY_PATH names this folder, but it can't be read: permission denied",
    )


def test_siblings_can_be_imported_and_the_class_stays_the_same(shelf: Path) -> None:
    text = "from .physics import PI\n" + PYTHON.format(title="Area", name="area", rest="description = str(PI)")
    (declare(shelf / "area", text) / "physics.py").write_text("PI = 3\n")
    assert load("area").description == "3"
    assert load("area") is load("area")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = (\n", "line 1: '(' was never closed"),
        ("\n\nimport surely_missing\n", "line 3: ModuleNotFoundError: No module named 'surely_missing'"),
        ("raise SystemExit(3)", "line 1: SystemExit: 3"),
        ("x = 1", "declares no connector"),
        (PYTHON.format(title="A", name="bad name", rest=""), "the name 'bad name' can't be used"),
        (PYTHON.format(title="A", name="a", rest="compute = ('cray',)"), "no kind 'cray'"),
        (PYTHON.format(title="A", name="a", rest="job = {'cpus': 4}"), "job must be a JobRequest, such as JobRequest(cpus=4"),
        (
            "import flows" + PYTHON.format(title="A", name="a", rest="job = flows.JobRequest(memroy='2G')"),
            "line 5: there is no job setting 'memroy'; did you mean 'memory'?",
        ),
        (PYTHON.format(title="A", name="a", rest="arguments = ('x',)"), "there is no input 'x'"),
        (
            "from flows.stages import Wait" + PYTHON.format(title="A", name="a", rest="stages = {'wiat': Wait}"),
            "stages: there is no stage 'wiat'; did you mean 'wait'?",
        ),
        (
            PYTHON.format(title="A", name="a", rest="stages = {'wait': 3}"),
            "the place of 'wait' must be a class",
        ),
        (
            "from flows.stages import Wait" + PYTHON.format(title="A", name="a", rest="stages = {'destroy': Wait}"),
            "stages: Wait takes the place of 'destroy', and its name is 'wait'",
        ),
        (PYTHON.format(title="A", name="a", rest="payload = None"), "neither a payload nor run_task"),
        (PYTHON.format(title="A", name="a", rest="example_input = 'none'"), "does not exist"),
        (PYTHON.format(title="A", name="randnum", rest=""), "already taken by the connector randnum"),
        (PYTHON.format(title="A", name="a", rest="class Inputs(Inputs):\n        sweep: int = 1"), "'sweep' needs another name"),
        (
            PYTHON.format(title="A", name="a", rest="class Inputs(Inputs):\n        n: int = 'x'"),
            "the default of n can't be used",
        ),
        (
            PYTHON.format(title="A", name="a", rest="") + PYTHON.format(title="B", name="b", rest=""),
            "more than one connector (A, B)",
        ),
    ],
)
def test_a_broken_connector_is_reported_and_the_others_work(shelf: Path, text: str, reason: str) -> None:
    folder = declare(shelf / "broken", text)
    scaffold("sound", shelf, python=False)
    found = catalogue()
    (broken,) = found.broken
    assert reason in broken.reason
    assert broken.file == str(folder / "connector.py")
    assert "sound" in found.connectors
    if broken.name not in found.connectors:
        with pytest.raises(InvalidRequest, match="can't be used"):
            load(broken.name)


SECRETS = """
import pydantic
from flows import Inputs, SmartConnector
class Account(pydantic.BaseModel):
    user: str = "me"
    word: pydantic.SecretStr = pydantic.SecretStr("x")
class Node(pydantic.BaseModel):
    next: "Node | None" = None
class Hidden(SmartConnector):
    name = "hidden"
    class Inputs(Inputs):
        given: {annotation} = {default}
"""


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        ("pydantic.SecretStr", "pydantic.SecretStr('x')"),
        ("pydantic.SecretBytes | None", "None"),
        ("dict[str, list[pydantic.Secret[int]]]", "{}"),
        ("Account", "Account()"),
    ],
)
def test_an_input_that_is_a_secret_is_refused(shelf: Path, annotation: str, default: str) -> None:
    declare(shelf / "hidden", SECRETS.replace("{annotation}", annotation).replace("{default}", default))

    (broken,) = catalogue().broken

    assert "the input 'given' is a secret" in broken.reason
    assert "let main.sh read it there" in broken.reason


def test_an_input_may_hold_its_like(shelf: Path) -> None:
    declare(shelf / "hidden", SECRETS.replace("{annotation}", "Node").replace("{default}", "Node()"))

    assert "hidden" in catalogue().connectors


def test_a_missing_main_is_reported(shelf: Path) -> None:
    declare(shelf / "a", 'name = "a"', "connector.toml", payload=False)
    assert "does not exist" in catalogue().broken[0].reason


def test_both_declarations_are_refused(shelf: Path) -> None:
    (scaffold("a", shelf, python=True) / "connector.toml").write_text('name = "a"')
    assert "keep one of them" in catalogue().broken[0].reason


def test_a_connector_is_found_again_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "print('hello')\n" + PYTHON.format(title="Area", name="area", rest="description = 'mine'")
    folder = declare(tmp_path / "area", text)
    assert load_again("area", str(folder)).description == "mine"
    assert capsys.readouterr().out == ""
    spoilt = declare(tmp_path / "spoilt", "raise KeyError('pi')\n")
    with pytest.raises(InvalidRequest, match=r"the connector area can't be used: .*spoilt.connector\.py: .*pi"):
        load_again("area", str(spoilt))
    with pytest.raises(InvalidRequest, match="there is no connector 'area'"):
        load_again("area", str(tmp_path / "gone"))
    assert load_again("randnum", "").name == "randnum"


def test_an_unknown_name_gives_close_ones() -> None:
    with pytest.raises(InvalidRequest, match="did you mean randnum"):
        load("randnun")


class Offered(SmartConnector):
    """What another package offers."""

    name = "offered"
    payload = None

    def run_task(self, inputs: object, values: object) -> str:
        return "true"


OFFERED = Offered()


@pytest.mark.parametrize("kind", ["Offered", "OFFERED"])
def test_an_entry_point_names_a_class_or_an_instance(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, EntryPoint("offered", f"{__name__}:{kind}", discovery.GROUP), __import__(__name__, fromlist=["x"]))
    assert isinstance(load("offered"), Offered)


def test_an_entry_point_names_a_folder_or_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("offering")
    vars(module).update(FOLDER=str(scaffold("afar", tmp_path, python=False)), NOTHING=3)
    values = ["offering:FOLDER", "offering:NOTHING", "offering:MISSING", "surely_missing:x"]
    offer(monkeypatch, *(EntryPoint(f"point{n}", value, discovery.GROUP) for n, value in enumerate(values)), module=module)
    found = catalogue()
    assert "afar" in found.connectors
    assert [(each.name, each.file) for each in found.broken] == [(f"point{n}", values[n]) for n in (1, 2, 3)]


def offer(monkeypatch: pytest.MonkeyPatch, *points: object, module: object = None) -> None:
    if module is None:
        *points, module = points
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point for point in points if point.group == group])


def test_what_a_connector_prints_when_it_is_imported_stays_off_standard_output(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(shelf / "talker", 'print("hello")\n' + PYTHON.format(title="Talker", name="talker", rest=""))
    assert "talker" in catalogue().connectors
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "hello\n")
