"""The program of hrmc against structures whose pair distribution is known, against counting in Python, and against theory."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.hrmc import hrmc
from tests.connectors import payload

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler: apt-get install gcc libc6-dev")

Point = tuple[float, float, float]
Rows = Sequence[tuple[float, float]]

EXAMPLE = hrmc.folder / "example_input"
# The sample of make_example.sh in reduced units, at 94.4 K / 120 K; rows of 0.1 angstrom, of which a sigma has 34.
LIQUID = """\
units lj
lattice fcc 0.8141665
region box block 0 6 0 6 0 6
create_box 1 box
create_atoms 1 box
mass 1 1.0
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
neigh_modify delay 0 every 1 check yes
comm_modify cutoff 4.2
velocity all create 3.0 7
fix motion all nvt temp 3.0 3.0 0.5
run 1000
unfix motion
fix motion all nvt temp 0.786667 0.786667 0.5
run 2000
reset_timestep 0
compute distribution all rdf 120 cutoff 3.5294117647
fix distribution all ave/time 20 200 4000 c_distribution[*] file gr.txt mode vector
run 4000
"""
GIVEN = {**hrmc.Inputs().model_dump(), "istart": 2, "temp": 300, "run_counter": 1}
CELLS = {
    "simple cubic": [(0, 0, 0)],
    "body-centred cubic": [(0, 0, 0), (0.5, 0.5, 0.5)],
    "face-centred cubic": [(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
}
# Neighbours of an atom, by the square of their distance in edges of the cell.
SHELLS = {
    "simple cubic": {1: 6, 2: 12, 3: 8, 4: 6, 5: 24},
    "body-centred cubic": {0.75: 8, 1: 6, 2: 12, 2.75: 24, 3: 8},
    "face-centred cubic": {0.5: 12, 1: 6, 1.5: 24, 2: 12, 2.5: 24},
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as ``schedule.sh`` compiles it."""
    folder = tmp_path_factory.mktemp("program")
    shutil.copytree(hrmc.folder / "payload" / "process_payload", folder, dirs_exist_ok=True)
    subprocess.run(["sh", "schedule.sh"], cwd=folder, check=True)
    return folder / "hrmc"


def fit(program: Path, folder: Path, measured: Rows, structure: Sequence[Point] = (), **values: Any) -> Path:
    """Run the program; the folder of what it wrote."""
    done = attempt(program, folder, measured, structure, **values)
    assert done.returncode == 0, done.stderr
    return folder


def attempt(
    program: Path, folder: Path, measured: Rows, structure: Sequence[Point] = (), **values: Any
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    parameters: dict[str, Any] = {
        "istart": 1 if structure else 2,
        "iseed": 42,
        "stream": 1,
        "natoms": len(structure),
        "box": 10,
        "irun": 0,
        "step": 0.3,
        "sigma": 0.02,
        "temp": 300,
        "pottype": 0,
        "epsilon": 120,
        "diameter": 3.4,
        **values,
    }
    (folder / "HRMC.inp").write_text("".join(f"{name} {value}\n" for name, value in parameters.items()))
    (folder / "input_gr.dat").write_text("".join(f"{r} {g}\n" for r, g in measured))
    atoms = "".join(f"Ar {x!r} {y!r} {z!r}\n" for x, y, z in structure)
    (folder / "input_initial.xyz").write_text(f"{len(structure)}\na structure\n{atoms}")
    return subprocess.run([program, "."], cwd=folder, capture_output=True, text=True, check=False)


def rows(count: int, spacing: float, g: float = 0.0) -> Rows:
    return [((row + 0.5) * spacing, g) for row in range(count)]


def computed(folder: Path) -> dict[float, float]:
    table = csv.DictReader((folder / "gr.csv").read_text().splitlines())
    return {float(row["r_angstrom"]): float(row["g_computed"]) for row in table}


def atoms(folder: Path) -> list[Point]:
    lines = [line.split() for line in (folder / "xyz_final.xyz").read_text().splitlines()[2:]]
    return [(float(x), float(y), float(z)) for _, x, y, z in lines]


def result(folder: Path) -> dict[str, float]:
    return json.loads((folder / "result.json").read_text())


def argon() -> Rows:
    """The example's g(r)."""
    lines = (EXAMPLE / "initial" / "input_gr.dat").read_text().splitlines()[1:]
    return [(float(line.split()[0]), float(line.split()[1])) for line in lines]


def split_mix_64(state: int) -> Iterator[int]:
    """The generator, written down anew from its paper."""
    mask = 2**64 - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


@pytest.mark.parametrize("lattice", CELLS)
def test_the_neighbours_in_a_crystal_are_those_of_the_textbook(program: Path, tmp_path: Path, lattice: str) -> None:
    edge, cells, spacing = 4.03, 6, 0.1
    box = edge * cells
    crystal = [
        (edge * (i + x), edge * (j + y), edge * (k + z))
        for i, j, k in itertools.product(range(cells), repeat=3)
        for x, y, z in CELLS[lattice]
    ]
    output = fit(program, tmp_path, rows(95, spacing), crystal, box=box)

    density = len(crystal) / box**3
    found = {
        r: g * density * 4 / 3 * math.pi * ((r + spacing / 2) ** 3 - (r - spacing / 2) ** 3)
        for r, g in computed(output).items()
        if g
    }
    assert list(found.values())[:5] == pytest.approx(list(SHELLS[lattice].values()), rel=1e-6)
    assert list(found)[:5] == pytest.approx([edge * math.sqrt(square) for square in SHELLS[lattice]], abs=spacing)


def test_distribution_criterion_and_energy_are_those_that_are_counted_by_hand(program: Path, tmp_path: Path) -> None:
    number, box, spacing = 60, 14.0, 0.25
    generator = random.Random(1)
    points = [(generator.uniform(0, box), generator.uniform(0, box), generator.uniform(0, box)) for _ in range(number)]
    measured = rows(28, spacing, 0.7)
    output = fit(program, tmp_path, measured, points, box=box, irun=500, pottype=1, sigma=5)

    counts: Counter[int] = Counter()
    energy = 0.0
    for one, other in itertools.combinations(atoms(output), 2):
        r = math.sqrt(sum(min(abs(a - b), box - abs(a - b)) ** 2 for a, b in zip(one, other, strict=True)))
        counts[int(r / spacing)] += 1
        if r < 2.5 * 3.4:
            attraction = (3.4 / max(r, 1.7)) ** 6
            energy += 4 * 120 * (attraction**2 - attraction) * (2 - min(r / 1.7, 1) ** 2)
    shells = [4 / 3 * math.pi * ((row + 1) ** 3 - row**3) * spacing**3 for row in range(28)]
    g = [counts[row] * 2 / number / (number / box**3) / shell for row, shell in enumerate(shells)]
    assert list(computed(output).values()) == pytest.approx(g, rel=1e-6)
    assert result(output)["criterion"] == pytest.approx(sum((value - 0.7) ** 2 for value in g), rel=1e-6)
    assert result(output)["energy_per_atom_kelvin"] == pytest.approx(energy / number, rel=1e-6)


def test_a_random_start_is_as_the_generator_says_and_has_no_structure(program: Path, tmp_path: Path) -> None:
    assert list(itertools.islice(split_mix_64(1234567), 2)) == [6457827717110365317, 3203168211198807973]

    output = fit(program, tmp_path, rows(12, 1.0), natoms=2000, box=25, iseed=5, stream=7)

    state = (next(split_mix_64(5)) + 7) % 2**64
    numbers = split_mix_64(next(split_mix_64(state)))
    expected = [(next(numbers) >> 32) / 2**32 * 25 for _ in range(6000)]
    assert [coordinate for atom in atoms(output) for coordinate in atom] == pytest.approx(expected, abs=1e-8)
    assert list(computed(output).values())[3:] == pytest.approx([1] * 9, abs=0.05)


def test_moves_are_accepted_as_often_as_the_rule_says(program: Path, tmp_path: Path) -> None:
    """Two atoms whose pair is in the inner row, the outer row or in neither: three states with known weights."""
    box, sigma, measured = 10.0, 4.0, (7.64, 0.0)
    volumes = [4 / 3 * math.pi * 2.5**3, 4 / 3 * math.pi * (5**3 - 2.5**3)]
    peaks = [box**3 / 2 / volume for volume in volumes]  # of g, where the pair is
    squares = [
        (peaks[0] - measured[0]) ** 2 + measured[1] ** 2,
        measured[0] ** 2 + (peaks[1] - measured[1]) ** 2,
        measured[0] ** 2 + measured[1] ** 2,
    ]
    weights = [
        volume * math.exp(-square / sigma**2 / 2)
        for volume, square in zip([*volumes, box**3 - sum(volumes)], squares, strict=True)
    ]

    seen: Counter[int] = Counter()
    for stream in range(20):
        output = fit(
            program, tmp_path, [(1.25, 7.64), (3.75, 0)], natoms=2, box=box, stream=stream, irun=20000, step=5, sigma=sigma
        )
        for row in list(csv.DictReader((output / "trace.csv").read_text().splitlines()))[1:]:
            distances = [abs(float(row["criterion"]) - square) for square in squares]
            seen[distances.index(min(distances))] += 1
    shares = [seen[state] / seen.total() for state in range(3)]
    assert shares == pytest.approx([weight / sum(weights) for weight in weights], abs=0.05)  # four standard deviations


def test_a_random_start_becomes_a_structure_with_the_measured_distribution(program: Path, tmp_path: Path) -> None:
    measured = [(r, g) for r, g in argon() if r < 8.5]
    tiny = {"natoms": 108, "box": 34.68 / 2, "sigma": 0.05, "pottype": 1}
    start = fit(program, tmp_path / "start", measured, **tiny)
    end = fit(program, tmp_path / "end", measured, irun=40000, **tiny)

    assert result(start)["criterion"] > 30
    assert result(end)["criterion"] < 0.3
    assert result(end)["energy_per_atom_kelvin"] == pytest.approx(-610, abs=30)  # of the liquid: -650


def test_the_same_seed_gives_the_same_files_and_a_structure_goes_on_where_it_was(program: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"natoms": 200, "box": 21, "irun": 2000, "pottype": 1}
    measured = [(r, g) for r, g in argon() if r < 10]
    one, same = (fit(program, tmp_path / name, measured, **settings) for name in ("one", "same"))
    other = fit(program, tmp_path / "other", measured, **settings, stream=2)
    again = fit(program, tmp_path / "again", measured, atoms(one), **{**settings, "irun": 0})

    for name in ("xyz_final.xyz", "gr.csv", "trace.csv", "result.json"):
        assert (one / name).read_bytes() == (same / name).read_bytes()
    assert (one / "xyz_final.xyz").read_text() != (other / "xyz_final.xyz").read_text()
    assert (one / "xyz_final.xyz").read_text() == (again / "xyz_final.xyz").read_text()
    assert result(again)["criterion"] == result(one)["criterion"]


@pytest.mark.parametrize("optimisation", ["-O0", "-O3 -march=native"])
def test_the_numbers_do_not_depend_on_what_the_compiler_makes_of_them(program: Path, tmp_path: Path, optimisation: str) -> None:
    other = tmp_path / "hrmc"
    options = ["-std=c99", *optimisation.split(), "-ffp-contract=off"]
    subprocess.run(["gcc", *options, "-o", other, program.with_name("hrmc.c"), "-lm"], check=True)
    settings: dict[str, Any] = {"natoms": 200, "box": 21, "irun": 2000, "pottype": 1}
    measured = [(r, g) for r, g in argon() if r < 10]
    here, there = fit(program, tmp_path / "here", measured, **settings), fit(other, tmp_path / "there", measured, **settings)

    assert (here / "xyz_final.xyz").read_bytes() == (there / "xyz_final.xyz").read_bytes()
    assert (here / "trace.csv").read_bytes() == (there / "trace.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("lmp") is None, reason="needs lmp: apt-get install lammps")
def test_the_example_has_the_distribution_that_molecular_dynamics_finds(tmp_path: Path) -> None:
    (tmp_path / "in.liquid").write_text(LIQUID)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(["lmp", "-in", "in.liquid", "-screen", "none"], cwd=tmp_path, env=environment, check=True)
    lines = [line.split() for line in (tmp_path / "gr.txt").read_text().splitlines() if not line.startswith("#")]
    g = [float(line[2]) for line in lines if len(line) == 4]

    assert len(g) == len(argon()) == 120
    assert sum((ours - theirs) ** 2 for (_, ours), theirs in zip(argon(), g, strict=True)) < 0.03


@pytest.mark.parametrize(
    ("measured", "values", "reason"),
    [
        (rows(60, 0.1), {}, "input_gr.dat goes to r = 6, which is more than half of a box of 10; give fewer rows or more atoms"),
        (rows(10, 0.1), {"step": 7}, "step must not be more than half of box"),
        (rows(10, 0.1), {"temp": "hot"}, "HRMC.inp, line 9: temp must be a number from 1e-09 to 1e+09, not hot"),
        (rows(10, 0.1), {"natoms": 2.5}, "HRMC.inp, line 4: natoms must be a whole number from 2 to 1e+06, not 2.5"),
        (rows(10, 0.1), {"colour": 1}, "HRMC.inp, line 13: there is no parameter colour"),
        (rows(10, 0.1), {"sigma": ""}, "HRMC.inp, line 8: a name and one value are expected"),
        (rows(10, 0.1), {"istart": 1}, "input_initial.xyz must begin with the number of atoms, 50"),
        ([(0.05, 0), (0.15, 0), (0.35, 0)], {}, "input_gr.dat, line 3: r does not go up in equal steps"),
        ([], {}, "input_gr.dat has fewer than two rows"),
    ],
)
def test_what_can_not_be_computed_is_refused_in_a_sentence(
    program: Path, tmp_path: Path, measured: Rows, values: dict[str, Any], reason: str
) -> None:
    done = attempt(program, tmp_path, measured, **{"natoms": 50, **values})
    assert (done.returncode, done.stderr) == (1, f"hrmc: {reason}\n")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_payload_compiles_and_fits_the_example(tmp_path: Path, shell: str) -> None:
    done = payload.run(hrmc, tmp_path, "initial", {**GIVEN, "irun": 2000}, shell=shell)

    assert done.returncode == 0, done.stderr
    assert payload.result(tmp_path)["criterion"] < 60
    assert {path.name for path in (tmp_path / payload.OUTPUT).iterdir()} == {
        "xyz_final.xyz",
        "gr.csv",
        "trace.csv",
        "result.json",
    }


def test_bootstrap_tells_what_an_administrator_should_do(tmp_path: Path) -> None:
    for name, text in {"id": "echo 1000", "uname": "echo the-host", "apt-get": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    command = ["/bin/sh", hrmc.folder / "payload" / "bootstrap.sh"]
    done = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "there is no C compiler on the-host; an administrator of it should run: apt-get install gcc\n"
