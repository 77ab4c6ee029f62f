"""The documentation of Hadoop, done as it is written, on a real Hadoop with a real Spark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_documentation import Person, know
from tests.servers.hadoop import HOME, Hadoop
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.hadoop, pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow, pytest.mark.timeout(1800)]

ACTIVE = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"


@pytest.fixture
def person(chiminey: CommandLine, gateway: SSHD, tmp_path: Path) -> Iterator[Person]:
    """Somebody whose SSH configuration knows the gateway by the name of the page, and who knows where Hadoop is on it."""
    folder = Path(chiminey.environment["HOME"]) / ".ssh"
    know(folder, {"gateway.example.org": gateway})
    homes = {"/opt/hadoop": str(HOME), "/opt/spark": str(HOME / "spark/home")}
    yield Person(chiminey, tmp_path, own={"me@gateway": f"{gateway.user}@gateway", **homes})
    for resource in chiminey("resource", "list", "--json").object:
        chiminey("resource", "remove", resource["name"])
    shutil.rmtree(folder)


def test_the_page_about_hadoop_works_and_leaves_nothing_there(person: Person, gateway: SSHD, hadoop: Hadoop) -> None:
    person.follow("docs/hadoop.md")

    assert [application["queue"] for application in hadoop.applications()].count("root.other") == 1
    assert hadoop.applications(states=ACTIVE) == []
    assert hadoop.files(f"/user/{gateway.user}/chiminey") == []
    assert list((gateway.home / ".chiminey").iterdir()) == []
