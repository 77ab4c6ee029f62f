"""The documentation, done as it is written: every command of its pages, in order, as a person would type them.

Hosts have the names that the pages use, by an SSH configuration of the person's own; so only the user's name is replaced.
"""

from __future__ import annotations

import csv
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, CommandLine
from tests.servers.farm import Farm
from tests.servers.s3 import S3
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow]

BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
PASSWORD = "Open-Sesame-1"
PROGRAMS = {"hrmc": "gcc", "espresso": "pw.x", "lammps": "lmp"}


@dataclass(frozen=True)
class Person:
    """Somebody who follows pages in a folder of their own."""

    chiminey: CommandLine
    folder: Path
    secret: str = PASSWORD  # typed wherever one is asked for
    own: Mapping[str, str] = field(default_factory=lambda: {"me@": "lab@"})  # what stands for it in the pages

    def follow(self, page: str, since: str = "", until: str = "") -> None:
        """Do what the page says, from one heading to another: what it announces as an error has to be one, and so on."""
        printed = ""
        whole = (ROOT / page).read_text(encoding="utf-8")
        first, last = whole.index(f"\n{since}") if since else 0, whole.index(f"\n{until}") if until else None
        for language, text in BLOCK.findall(whole[first:last]):
            if language == "text":
                _is_as_shown(printed, text)
                continue
            command = self._own(text) if language == "sh" else f"exec {sys.executable} - <<'PYTHON'\n{text}PYTHON\n"
            done = self.chiminey.shell(command, self.folder, input=f"{self.secret}\n", CHIMINEY_PATH=str(self.folder))
            code, announced = _announced(text)
            assert done.code == code, f"{text}\n{done.output}\n{done.errors}"
            assert announced in " ".join(done.errors.split())
            printed = done.output

    def _own(self, text: str) -> str:
        for theirs, mine in self.own.items():
            text = text.replace(theirs, mine)
        return text


def _announced(text: str) -> tuple[int, str]:
    """How lines of shell are to end: a comment says that they are refused, or that their run fails, and in which words."""
    for word, code in (("# error: ", 2), ("# failed: ", 1)):
        if word in text:
            return code, text.partition(word)[2].partition(" ...")[0]
    return 0, ""


def _is_as_shown(printed: str, shown: str) -> None:
    """The numbers nearly, for another version of a program may well compute another digit."""
    assert NUMBER.sub("N", printed) == NUMBER.sub("N", shown)
    assert [float(number) for number in NUMBER.findall(printed)] == pytest.approx(
        [float(number) for number in NUMBER.findall(shown)], rel=0.1
    )


@pytest.fixture
def person(chiminey: CommandLine, tmp_path: Path) -> Person:
    return Person(chiminey, tmp_path)


@pytest.fixture
def servers(chiminey: CommandLine, farm: Farm) -> Iterator[None]:
    """The hosts of the pages: lab asks for a password, the others know the person's key."""
    folder = Path(chiminey.environment["HOME"]) / ".ssh"
    (lab,) = farm(1, password=PASSWORD, config="AuthorizedKeysFile .ssh/authorized_keys\n")
    names = ("n1.example.org", "n2.example.org", "gate.example.org", "files.example.org")
    know(folder, {"lab.example.org": lab, **dict(zip(names, farm(4), strict=True))})
    yield
    for name in ("lab", "pair", "store"):
        chiminey("resource", "remove", name)
    shutil.rmtree(folder)


def know(folder: Path, hosts: dict[str, SSHD]) -> None:
    """Give a person the configuration that knows hosts by these names."""
    folder.mkdir(mode=0o700, exist_ok=True)
    entries = (
        f"Host {name}\n HostName {host.address}\n Port {host.port}\n"
        + ("" if name.startswith("lab") else f" IdentityFile {host.private_key}\n")
        for name, host in hosts.items()
    )
    (folder / "config").write_text("".join(entries))
    (folder / "known_hosts").write_text("".join(host.host_key_line + "\n" for host in hosts.values()))


def test_the_tutorial_ends_with_results_from_a_server(person: Person, servers: None) -> None:
    person.follow("docs/tutorial.md", until="## 6.")

    (run,) = (person.folder / "areas").iterdir()
    areas = [float((run / "output" / str(number) / "area").read_text()) for number in range(1, 6)]
    assert areas == pytest.approx([3.14159265 * radius**2 for radius in range(1, 6)], rel=1e-5)
    with (run / "results.csv").open() as file:
        assert [float(row["radius"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5]


def test_the_how_tos_work_with_the_connector_of_the_tutorial(person: Person, servers: None, s3: S3) -> None:
    s3.make_bucket("results")
    person = replace(person, own={**person.own, "https://objects.example.org": s3.endpoint})
    person.follow("docs/tutorial.md", until="## 3.")
    person.follow("docs/howto.md", until="## Run on a cluster")
    person.follow("docs/howto.md", since="## Store results")


def test_what_the_front_page_shows_works(person: Person, servers: None) -> None:
    person.follow("README.md")


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_page_of_a_connector_prints_what_it_shows(name: str, person: Person) -> None:
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"needs {PROGRAMS[name]}: see scripts/test")
    person.follow(f"docs/connectors/{name}.md")
