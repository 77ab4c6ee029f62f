"""The payload of espresso against pw.x itself, and what it says of calculations that fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors.espresso import espresso
from tests.connectors import payload

needs_espresso = pytest.mark.skipif(
    shutil.which("pw.x") is None, reason="needs pw.x: apt-get install quantum-espresso quantum-espresso-data"
)

RYDBERG = 13.605693122994  # electronvolt

# Silicon as the input data description of pw.x has it, with no word of the example's template; a cut-off of 16 Ry.
SILICON = """\
 &CONTROL
   calculation='scf', outdir='./elsewhere', prefix='independent', pseudo_dir='/usr/share/espresso/pseudo'
 /
 &SYSTEM
   ibrav=0, nat=2, ntyp=1, ecutwfc=16.0
 /
 &ELECTRONS
   conv_thr=1.0d-10
 /
ATOMIC_SPECIES
 Si  28.085  Si.pz-vbc.UPF
CELL_PARAMETERS bohr
 -5.1  0.0  5.1
  0.0  5.1  5.1
 -5.1  5.1  0.0
ATOMIC_POSITIONS crystal
 Si 0.00 0.00 0.00
 Si 0.25 0.25 0.25
K_POINTS automatic
 4 4 4 1 1 1
"""


def simulate(folder: Path, files: dict[str, str] | None = None, **values: Any) -> subprocess.CompletedProcess[str]:
    return payload.run(espresso, folder, "silicon", {"ecutwfc": 16, "kpoints": 4, **values}, files=files)


def total_energy(folder: Path, text: str) -> float:
    """What pw.x prints as the total energy of an input, in rydberg."""
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = ["pw.x"]
    done = subprocess.run(command, cwd=folder, input=text, env=environment, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("!")]
    return float(line.split()[4])


@needs_espresso
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_energy_is_that_of_a_direct_run(tmp_path: Path, shell: str) -> None:
    run = payload.run(espresso, tmp_path / "task", "silicon", {"ecutwfc": 16, "kpoints": 4}, shell=shell)
    assert run.returncode == 0, run.stderr
    direct = total_energy(tmp_path / "direct", SILICON)

    found = payload.result(tmp_path / "task")
    assert found["total_energy_ry"] == pytest.approx(direct, abs=2e-8)
    assert found["energy_per_atom_ev"] == pytest.approx(direct * RYDBERG / 2, abs=2e-7)
    assert (found["atoms"], found["irreducible_kpoints"]) == (2, 10)


@needs_espresso
def test_a_pseudopotential_may_stand_beside_the_input(tmp_path: Path) -> None:
    template = (espresso.folder / "example_input" / "silicon" / "pw.in_template").read_text()
    files = {
        "pw.in": template.replace("/usr/share/espresso/pseudo", ".")
        .replace("Si.pz-vbc.UPF", "mine.UPF")
        .replace("{{ ecutwfc }}", "8")
        .replace("{{ kpoints }}", "2")
        .replace("{{ lattice_parameter }}", "10.2"),
        "mine.UPF": Path("/usr/share/espresso/pseudo/Si.pz-vbc.UPF").read_text(),
    }
    run = simulate(tmp_path, files)
    assert run.returncode == 0, run.stderr
    assert payload.result(tmp_path)["total_energy_ry"] == pytest.approx(-15.7, abs=0.1)


@needs_espresso
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no input at all\n", "bad line in namelist &control"),
        (SILICON.replace("Si.pz-vbc", "Si.nobody"), "Si.nobody.UPF not found"),
        (SILICON.replace("conv_thr=1.0d-10", "electron_maxstep=1"), "pw.x ended with exit code 2"),
        (SILICON.replace("nat=2", "nat=3"), "pw.x ended with exit code"),
        (SILICON.replace("'scf'", "'nscf'"), "pw.x ended with exit code"),
    ],
)
def test_a_calculation_that_fails_says_so(tmp_path: Path, text: str, reason: str) -> None:
    run = simulate(tmp_path, {"pw.in": text})
    assert run.returncode == 1
    assert run.stderr.startswith("espresso: ")
    assert reason in run.stderr


def test_bootstrap_tells_what_an_administrator_should_do(tmp_path: Path) -> None:
    for name, text in {"id": "echo 1000", "uname": "echo the-host", "apt-get": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    command = ["/bin/sh", espresso.folder / "payload" / "bootstrap.sh"]
    run = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    told = "Quantum ESPRESSO is not installed on the-host; an administrator of it should run: apt-get install quantum-espresso\n"
    assert run.stderr == told
