"""The payload of spice, run by ngspice, against what physics says."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors.spice import spice
from flows.templates import Templates

PAYLOAD = spice.folder / "payload"
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="needs ngspice: apt-get install ngspice")


def simulate(
    folder: Path, start_point: str, shell: str = "sh", netlist: str = "", **inputs: Any
) -> subprocess.CompletedProcess[str]:
    """Run main.sh as a host would."""
    example = spice.folder / "example_input"
    given = spice.Inputs(**inputs).model_dump()
    values = {
        **json.loads((example / "values").read_text()),
        **json.loads((example / start_point / "values").read_text()),
        **given,
    }
    name = "circuit.cir_template"
    shutil.copytree(PAYLOAD / "process_payload", folder, dirs_exist_ok=True)
    for part in ("smart_connector_input", "chiminey_output"):
        (folder / part).mkdir()
    rendered = Templates({name: (example / start_point / name).read_bytes()}, start_point).render(values)["circuit.cir"]
    (folder / "smart_connector_input/circuit.cir").write_bytes(netlist.encode() or rendered)
    arguments = [str(values[key]) for key in spice.arguments]
    command = [shell, "main.sh", "smart_connector_input", "chiminey_output", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "chiminey_output/result.json").read_text())


@needs_ngspice
@pytest.mark.parametrize(("resistance", "capacitance"), [(1000, 1e-6), (47, 2.2e-7), (2.2e6, 1e-9)])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_low_pass_cuts_off_where_it_should(tmp_path: Path, resistance: float, capacitance: float, shell: str) -> None:
    run = simulate(tmp_path, "low-pass", shell, resistance=resistance, capacitance=capacitance)
    assert run.returncode == 0, run.stderr
    assert result(tmp_path)["upper_cutoff_hz"] == pytest.approx(1 / (2 * math.pi * resistance * capacitance), rel=0.001)
    assert result(tmp_path)["lower_cutoff_hz"] is None
    lines = (tmp_path / "chiminey_output/response.csv").read_text().splitlines()
    assert lines[0] == "frequency_hz,gain_db,phase_degrees"
    assert len(lines) == 1 + 6 * 200 + 1


@needs_ngspice
def test_a_band_pass_has_two_cutoffs(tmp_path: Path) -> None:
    run = simulate(tmp_path, "band-pass")
    assert run.returncode == 0, run.stderr
    found = result(tmp_path)
    assert found["peak_frequency_hz"] == pytest.approx(1 / (2 * math.pi * math.sqrt(0.1 * 1e-6)), rel=0.01)
    assert found["upper_cutoff_hz"] - found["lower_cutoff_hz"] == pytest.approx(1000 / (2 * math.pi * 0.1), rel=0.001)


@needs_ngspice
def test_a_step_rises_with_the_time_constant(tmp_path: Path) -> None:
    run = simulate(tmp_path, "low-pass", analysis="tran", duration=0.02)
    assert run.returncode == 0, run.stderr
    assert result(tmp_path)["rise_time_s"] == pytest.approx(1e-3, rel=0.01)
    assert result(tmp_path)["final_v"] == pytest.approx(1, rel=0.001)


@needs_ngspice
@pytest.mark.parametrize(
    "netlist",
    [
        "no such model\nV1 in 0 AC 1\nQ1 out in 0 nothing\nR1 out 0 1k\n.end\n",
        "no out\nV1 in 0 AC 1\nR1 in 0 1k\n.end\n",
        "two sources in parallel\nV1 out 0 DC 1 AC 1\nV2 out 0 DC 2\n.end\n",
        "no such element\nV1 out 0 AC 1\nR1 out 0 1k\n?7 nonsense\n.end\n",
        "no value\nV1 in 0 DC 0 AC 1\nR1 in out\nC1 out 0 1u\n.end\n",
        "empty\n.end\n",
    ],
)
@pytest.mark.parametrize("analysis", ["ac", "tran"])
def test_a_bad_circuit_fails_and_says_so(tmp_path: Path, netlist: str, analysis: str) -> None:
    run = simulate(tmp_path, "low-pass", netlist=netlist, analysis=analysis)
    assert run.returncode == 1
    assert run.stderr.startswith("spice: ")
    assert not (tmp_path / "chiminey_output/result.json").exists()


def test_bootstrap_tells_what_an_administrator_should_do(tmp_path: Path) -> None:
    for name, text in {"id": "echo 1000", "uname": "echo the-host", "apt-get": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = ["/bin/sh", PAYLOAD / "bootstrap.sh"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "ngspice is not installed on the-host; an administrator of it should run: apt-get install ngspice\n"
