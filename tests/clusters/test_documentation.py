"""The documentation of clusters, done as it is written, on a real Slurm."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_documentation import Person, know
from tests.servers.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow]


@pytest.fixture
def person(chiminey: CommandLine, slurm: Slurm, tmp_path: Path) -> Iterator[Person]:
    """Somebody whose SSH configuration knows the login node by the name that the pages use."""
    folder = Path(chiminey.environment["HOME"]) / ".ssh"
    know(folder, {"login.example.org": slurm.host})
    yield Person(chiminey, tmp_path)
    for resource in chiminey("resource", "list", "--json").object:
        chiminey("resource", "remove", resource["name"])
    shutil.rmtree(folder)


def radii(folder: Path) -> list[float]:
    """What a run in a folder of results was computed with, by its table."""
    (table,) = folder.glob("*/results.csv")
    with table.open() as file:
        return [float(row["radius"]) for row in csv.DictReader(file)]


def test_the_page_about_clusters_works_on_slurm(person: Person, slurm: Slurm) -> None:
    person.follow("docs/tutorial.md", until="## 3.")
    person.follow("docs/clusters.md")

    assert radii(person.folder / "circles") == [1, 2, 3, 4, 5]
    assert len(list((slurm.host.home / ".chiminey" / "payloads").iterdir())) == 1, "one payload was set up, for all runs"


def test_the_how_to_of_a_cluster_works_with_the_connector_of_the_tutorial(person: Person, slurm: Slurm) -> None:
    person.follow("docs/tutorial.md", until="## 3.")
    person.follow("docs/howto.md", since="## Run on a cluster", until="## Store results")

    assert len(slurm.jobs()) == 4


def test_the_tutorial_ends_with_results_from_a_cluster(person: Person) -> None:
    person.follow("docs/tutorial.md", until="## 3.")
    person.follow("docs/tutorial.md", since="## 6.")

    assert radii(person.folder / "circles") == [1, 2, 3, 4, 5]
