"""espresso through the engine: raised until the energy is settled, and the energy of pw.x itself."""

from __future__ import annotations

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from blocks.storage import LocalStorage
from connectors.espresso import espresso
from tests.connectors.test_espresso import RYDBERG, SILICON, total_energy
from tests.engine import Lab, left_on, unix
from tests.servers.sshd import SSHD

pytestmark = [
    pytest.mark.ssh,
    pytest.mark.skipif(shutil.which("pw.x") is None, reason="needs pw.x: apt-get install quantum-espresso quantum-espresso-data"),
]

INPUTS = {"cutoff_start": 8, "cutoff_step": 4, "kpoints_start": 2, "kpoints_step": 1, "energy_threshold": 0.1}


def asked_for(folder: Path) -> list[tuple[float, int]]:
    """Cut-off and grid of each iteration, of a run with one crystal."""
    found: list[dict[str, Any]] = []
    for number in range(len(list(folder.glob("output_*")))):
        (path,) = (folder / f"output_{number}").glob("*/values")
        found.append(json.loads(path.read_text()))
    return [(values["ecutwfc"], values["kpoints"]) for values in found]


def test_cutoff_and_then_grid_are_raised_until_the_energy_is_settled(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    example = LocalStorage(path=str(espresso.folder / "example_input"))
    result = lab.go(espresso, unix(*hosts[:2], slots=1), input=example, inputs=INPUTS)

    assert result.state == "completed", result.messages
    folder = lab.folder(result)
    points = asked_for(folder)
    cutoffs, grids = [point for point in points if point[1] == 2], [point for point in points if point[1] > 2]
    assert points == cutoffs + grids
    assert [cutoff for cutoff, _ in cutoffs] == [8 + 4 * number for number in range(len(cutoffs))]
    assert grids == [(cutoffs[-1][0], 3 + number) for number in range(len(grids))]

    energies = [float(row["criterion"]) for row in csv.DictReader((folder / "criterion.csv").read_text().splitlines())]
    settled = [abs(later - earlier) <= 0.1 for earlier, later in pairwise(energies)]
    assert settled == [False] * (len(cutoffs) - 2) + [True] + [False] * (len(grids) - 1) + [True]
    text = SILICON.replace("16.0", str(points[-1][0])).replace("4 4 4", " ".join([str(points[-1][1])] * 3))
    assert energies[-1] == pytest.approx(total_energy(tmp_path / "direct", text) * RYDBERG / 2, abs=1e-6)
    assert all(left_on(host) == [] for host in hosts)


def test_each_of_several_crystals_is_raised_until_all_are_settled(hosts: list[SSHD], tmp_path: Path) -> None:
    folder = tmp_path / "input"
    for name, lattice_parameter in {"dense": 9.4, "silicon": 10.2}.items():
        shutil.copytree(espresso.folder / "example_input" / "silicon", folder / name)
        (folder / name / "values").write_text(json.dumps({"lattice_parameter": lattice_parameter}))
    lab = Lab(tmp_path)
    result = lab.go(espresso, unix(*hosts[:2], slots=1), input=LocalStorage(path=str(folder)), inputs=INPUTS)

    assert result.state == "completed", result.messages
    assert result.tasks.completed == 2 * result.iterations < 2 * espresso.max_iterations
    rows = list(csv.DictReader((lab.folder(result) / "results.csv").read_text().splitlines()))
    energies = [float(row["energy_per_atom_ev"]) for row in rows]
    assert energies[1] < energies[0], "silicon is not as dense"
    assert result.criterion == pytest.approx(sum(energies) / 2)
    last = [json.loads(path.read_text()) for path in (lab.folder(result) / "output").glob("*/values")]
    before = {values["lattice_parameter"]: values["energy_before"] for values in last}
    assert [energies[0] - before[9.4], energies[1] - before[10.2]] == pytest.approx([0, 0], abs=0.1)
    assert len({task["host"] for task in json.loads((lab.folder(result) / "tasks.json").read_text())}) == 2
