"""The documentation of clouds, done as it is written, on a server that speaks EC2's protocol."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_documentation import Person
from tests.servers.ec2 import EC2

pytestmark = [pytest.mark.cloud, pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow]


@pytest.fixture
def person(chiminey: CommandLine, ec2: EC2, tmp_path: Path) -> Iterator[Person]:
    """Somebody who has an account at the cloud of the tests, and pastes what it gave them."""
    own = {
        "AKIAIOSFODNN7EXAMPLE": f"{ec2.access_key} endpoint=http://{ec2.host}:{ec2.port}/",
        "ami-0123456789abcdef0": ec2.image,
    }
    yield Person(chiminey, tmp_path, ec2.secret_key, own)
    saved = chiminey("resource", "list", "--json").object
    for resource in sorted(saved, key=lambda each: each["kind"] != "cloud"):
        chiminey("resource", "remove", resource["name"])


def test_the_page_about_clouds_works_on_ec2_and_leaves_nothing_there(person: Person, ec2: EC2) -> None:
    before = len(ec2.calls("RunInstances"))
    person.follow("docs/tutorial.md", until="## 3.")
    person.follow("docs/clouds.md")

    (table,) = (person.folder / "circles").glob("*/results.csv")
    with table.open() as file:
        assert [float(row["radius"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5]
    assert len(ec2.calls("RunInstances")) == before + 3
    assert ec2.left() == []
