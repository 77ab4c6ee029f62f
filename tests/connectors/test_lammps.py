"""The payload of lammps against published numbers, and what it says of simulations that fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors.lammps import lammps
from tests.connectors import payload

needs_lammps = pytest.mark.skipif(shutil.which("lmp") is None, reason="needs lmp: apt-get install lammps")

SHORT = {"melting_steps": 100, "equilibration_steps": 100, "sampling_steps": 200, "cells": 3, "cutoff": 2.2}


def simulate(
    folder: Path, temperature: float, shell: str = "sh", files: dict[str, str] | None = None, **values: Any
) -> subprocess.CompletedProcess[str]:
    given = {**lammps.Inputs().model_dump(), **values, "temperature": temperature}
    return payload.run(lammps, folder, "melt", given, shell=shell, files=files)


@needs_lammps
def test_the_liquid_is_that_of_the_literature(tmp_path: Path) -> None:
    """NIST Standard Reference Simulation Website, Lennard-Jones fluid with long-range corrections: energy and pressure."""
    run = simulate(tmp_path, 0.85, density=0.776)
    assert run.returncode == 0, run.stderr

    found = payload.result(tmp_path)
    assert found["mean_temperature"] == pytest.approx(0.85, rel=0.02)
    assert found["potential_energy_per_atom"] == pytest.approx(-5.5121, rel=0.01)
    assert found["pressure"] == pytest.approx(0.0068, abs=0.15)
    assert 0.04 < found["diffusion_coefficient"] < 0.08


@needs_lammps
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_log_comes_back_with_the_results(tmp_path: Path, shell: str) -> None:
    run = simulate(tmp_path, 1.0, shell, **SHORT)
    assert run.returncode == 0, run.stderr
    assert {path.name for path in (tmp_path / payload.OUTPUT).iterdir()} == {"log.lammps", "result.json"}
    assert "Loop time" in (tmp_path / payload.OUTPUT / "log.lammps").read_text()


@needs_lammps
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("units lj\nno_such_command 1\n", "Unknown command: no_such_command"),
        ("units lj\nregion box block 0 1 0 1 0 1\ncreate_box 1 box\nrun 10\n", "lmp ended with exit code"),
        ('print """{ "energy": -nan }""" file ${output}/result.json\n', "a result is not a number"),
    ],
)
def test_a_simulation_that_fails_says_so(tmp_path: Path, script: str, reason: str) -> None:
    run = simulate(tmp_path, 1.0, files={"in.lammps": script})
    assert run.returncode == 1
    assert "lammps: " in run.stderr
    assert reason in run.stderr


@pytest.mark.parametrize(
    ("inputs", "temperatures"),
    [
        ({}, [0.8, 1.0, 1.2, 1.4, 1.6]),
        ({"lowest_temperature": 1, "highest_temperature": 2, "temperatures": 4}, [1, 1.333333333, 1.666666667, 2]),
    ],
)
def test_the_temperatures_are_evenly_spaced_with_both_ends(inputs: dict[str, Any], temperatures: list[float]) -> None:
    assert lammps.internal_sweep(lammps.Inputs(**inputs), 0) == {"temperature": temperatures}


def test_the_lowest_temperature_is_below_the_highest() -> None:
    with pytest.raises(ValueError, match="the lowest temperature must be below the highest"):
        lammps.Inputs(lowest_temperature=1, highest_temperature=1)


def test_bootstrap_tells_what_an_administrator_should_do(tmp_path: Path) -> None:
    for name, text in {"id": "echo 1000", "uname": "echo the-host", "apt-get": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    command = ["/bin/sh", lammps.folder / "payload" / "bootstrap.sh"]
    run = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "LAMMPS is not installed on the-host; an administrator of it should run: apt-get install lammps\n"
