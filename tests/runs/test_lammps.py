"""lammps through the engine: a liquid that is heated, as a table and as a plot."""

from __future__ import annotations

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from blocks.storage import LocalStorage
from connectors.lammps import lammps
from tests.engine import Lab, left_on, unix
from tests.servers.sshd import SSHD

pytestmark = [
    pytest.mark.ssh,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs lmp: apt-get install lammps"),
]


@pytest.fixture
def short(tmp_path: Path) -> LocalStorage:
    """The example with fewer atoms and steps."""
    folder = tmp_path / "input"
    shutil.copytree(lammps.folder / "example_input", folder)
    values = json.loads((folder / "values").read_text())
    steps = {"melting_steps": 500, "equilibration_steps": 500, "sampling_steps": 1000}
    (folder / "values").write_text(json.dumps({**values, **steps, "cells": 4}))
    return LocalStorage(path=str(folder))


def test_what_is_hotter_has_more_pressure_and_energy_and_diffuses_faster(
    hosts: list[SSHD], short: LocalStorage, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    asked = {"lowest_temperature": 0.8, "highest_temperature": 2, "temperatures": 4}
    result = lab.go(lammps, unix(*hosts, slots=1), input=short, inputs=asked)

    assert result.state == "completed", result.messages
    folder = lab.folder(result)
    rows = [
        {name: float(value) for name, value in row.items()}
        for row in csv.DictReader((folder / "results.csv").read_text().splitlines())
    ]
    assert [row["temperature"] for row in rows] == [0.8, 1.2, 1.6, 2.0]
    for row in rows:
        assert row["mean_temperature"] == pytest.approx(row["temperature"], rel=0.05)
    for colder, hotter in pairwise(rows):
        for column in ("pressure", "potential_energy_per_atom", "diffusion_coefficient"):
            assert colder[column] < hotter[column], column
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")
    assert all(left_on(host) == [] for host in hosts)
