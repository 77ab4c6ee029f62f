"""A real program on real input: ngspice, and the physics that it must find."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.errors import ChimineyError
from blocks.storage import LocalStorage
from connectors.spice import spice
from tests.engine import Lab

pytestmark = pytest.mark.skipif(not shutil.which("ngspice"), reason="needs ngspice: apt-get install ngspice")

EXAMPLE = LocalStorage(path=str(spice.folder / "example_input"))
INDUCTANCE = 0.1  # henry, of the example


def run(folder: Path, *, input: LocalStorage = EXAMPLE, **asked: Any) -> dict[int, Path]:
    """The output folder of each task."""
    lab = Lab(folder)
    result = lab.go(spice, LocalCompute(slots=2, scratch=str(folder / "scratch")), input=input, **asked)
    assert result.state == "completed", result.messages
    return {int(path.name): path for path in (lab.folder(result) / "output").iterdir() if path.name.isdigit()}


def measured(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def title(folder: Path) -> str:
    return json.loads((folder / "values").read_text())["title"]


def test_the_cutoff_of_each_circuit_is_where_theory_puts_it(tmp_path: Path) -> None:
    sweep = {"resistance": [470, 2200], "capacitance": [1e-7, 1e-6]}
    outputs = run(tmp_path, sweep=sweep)

    assert len(outputs) == 8
    for output in outputs.values():
        values, found = json.loads((output / "values").read_text()), measured(output)
        resistance, capacitance = values["resistance"], values["capacitance"]
        if title(output) == "RC low-pass":
            assert found["lower_cutoff_hz"] is None
            assert found["upper_cutoff_hz"] == pytest.approx(1 / (2 * math.pi * resistance * capacitance), rel=0.01)
        else:
            centre = 1 / (2 * math.pi * math.sqrt(INDUCTANCE * capacitance))
            width = resistance / (2 * math.pi * INDUCTANCE)
            assert found["upper_cutoff_hz"] - found["lower_cutoff_hz"] == pytest.approx(width, rel=0.01)
            assert math.sqrt(found["upper_cutoff_hz"] * found["lower_cutoff_hz"]) == pytest.approx(centre, rel=0.01)


def test_a_step_rises_as_fast_as_theory_says(tmp_path: Path) -> None:
    outputs = run(tmp_path, inputs={"analysis": "tran", "resistance": 2200, "capacitance": 4.7e-8})

    low_pass = next(output for output in outputs.values() if title(output) == "RC low-pass")
    assert measured(low_pass)["rise_time_s"] == pytest.approx(2200 * 4.7e-8, rel=0.01)


def test_the_curve_comes_back_as_a_table(tmp_path: Path) -> None:
    output = next(output for output in run(tmp_path).values() if title(output) == "RC low-pass")

    rows = list(csv.DictReader((output / "response.csv").read_text().splitlines()))
    assert rows[0].keys() == {"frequency_hz", "gain_db", "phase_degrees"}
    assert len(rows) >= 300
    assert measured(output)["upper_cutoff_hz"] == pytest.approx(1 / (2 * math.pi * 1000 * 1e-6), rel=0.01)
    assert "ngspice" in (output / "ngspice.log").read_text().lower()


@pytest.mark.parametrize(
    ("netlist", "reason"),
    [
        ("* a resistor without a value\nV1 in 0 ac 1\nR1 in out\n.end\n", "could not simulate|exit code"),
        ("* no node named out\nV1 in 0 ac 1\nR1 in 0 1k\n.end\n", "out"),
        ("* a part that there is not\nV1 in 0 ac 1\nX1 in out marvel\n.end\n", "could not simulate"),
    ],
)
def test_a_circuit_that_ngspice_refuses_fails_with_what_it_said(netlist: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "input" / "initial").mkdir(parents=True)
    (tmp_path / "input" / "initial" / "circuit.cir").write_text(netlist)

    with pytest.raises(ChimineyError, match=reason):
        run(tmp_path, input=LocalStorage(path=str(tmp_path / "input")))
