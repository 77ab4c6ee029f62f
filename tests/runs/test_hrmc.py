"""hrmc through the engine: iterations that fit better and better, and the same numbers wherever they are computed."""

from __future__ import annotations

import csv
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import ComputeResource, LocalCompute
from blocks.storage import LocalStorage
from connectors.hrmc import hrmc
from connectors.hrmc.connector import ANNEALING
from flows.result import RunResult
from tests.engine import Lab, left_on, unix
from tests.servers.sshd import SSHD

pytestmark = [
    pytest.mark.ssh,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler: apt-get install gcc libc6-dev"),
]

EXAMPLE = hrmc.folder / "example_input"


@pytest.fixture
def small(tmp_path: Path) -> LocalStorage:
    """The example with fewer atoms and moves."""
    folder = tmp_path / "small"
    shutil.copytree(EXAMPLE, folder)
    values = json.loads((EXAMPLE / "values").read_text())
    (folder / "values").write_text(json.dumps({**values, "natoms": 360, "box": 25.9, "irun": 8000}))
    return LocalStorage(path=str(folder))


def go(folder: Path, compute: ComputeResource, input: LocalStorage, **asked: Any) -> tuple[RunResult, Path]:
    """A run, and the folder of its results."""
    lab = Lab(folder)
    result = lab.go(hrmc, compute, input=input, **asked)
    assert result.state == "completed", result.messages
    return result, lab.folder(result)


def criteria(folder: Path) -> list[float]:
    rows = csv.DictReader((folder / "criterion.csv").read_text().splitlines())
    return [float(row["criterion"]) for row in rows]


def results(folder: Path, iteration: int) -> dict[int, dict[str, Any]]:
    """What each task of an iteration found, by its number."""
    return {
        int(path.parent.name): json.loads(path.read_text()) for path in (folder / f"output_{iteration}").glob("*/result.json")
    }


def values(folder: Path, iteration: int) -> dict[int, dict[str, Any]]:
    return {int(path.parent.name): json.loads(path.read_text()) for path in (folder / f"output_{iteration}").glob("*/values")}


@pytest.mark.slow
def test_on_four_hosts_the_criterion_falls_and_converges(hosts: list[SSHD], tmp_path: Path) -> None:
    asked = {"inputs": {"fanout_per_kept_result": 4}}
    result, folder = go(tmp_path, unix(*hosts, slots=1), LocalStorage(path=str(EXAMPLE)), **asked)

    history = criteria(folder)
    assert result.iterations == len(history) < hrmc.max_iterations
    assert result.tasks.completed == 4 * result.iterations
    assert history[0] > 1
    assert history[-1] < 0.1
    assert history[-1] == result.criterion
    settled = [0 <= earlier - later <= 0.03 for earlier, later in pairwise(history)]
    assert settled == [False] * (len(history) - 2) + [True]
    used = {task["host"] for task in json.loads((folder / "tasks.json").read_text())}
    assert len(used) == 4
    assert all(left_on(host) == [] for host in hosts)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files_on_any_number_of_hosts(
    hosts: list[SSHD], small: LocalStorage, tmp_path: Path
) -> None:
    asked = {"inputs": {"fanout_per_kept_result": 3, "threshold": 2}, "max_iterations": 2}
    computes = [unix(*hosts, slots=1), unix(*hosts, slots=1), LocalCompute(slots=2, scratch=str(tmp_path / "scratch"))]
    folders = [go(tmp_path / str(number), compute, small, **asked)[1] for number, compute in enumerate(computes)]

    first, *others = [
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob("output_*/*/*")) if path.is_file()}
        for folder in folders
    ]
    assert len(first) == (3 + 6) * 5
    for other in others:
        assert first == other
    _, elsewhere = go(tmp_path / "other", computes[-1], small, inputs={"iseed": 43}, max_iterations=1)
    assert results(elsewhere, 0) != results(folders[0], 0)


def test_the_best_of_an_iteration_are_the_start_of_the_next(small: LocalStorage, tmp_path: Path) -> None:
    compute = LocalCompute(slots=2, scratch=str(tmp_path / "scratch"))
    asked = {"inputs": {"fanout_per_kept_result": 3, "threshold": 2, "error_threshold": 0}, "max_iterations": 3}
    _, folder = go(tmp_path, compute, small, **asked)

    found = [results(folder, iteration) for iteration in range(3)]
    every = [result["criterion"] for iteration in found for result in iteration.values()]
    assert len(set(every)) == len(every) == 3 + 6 + 6, "no two tasks have the same random numbers"
    for iteration in range(2):
        ranked = sorted(found[iteration], key=lambda task: found[iteration][task]["criterion"])[:2]
        kept = folder / f"input_{iteration + 1}"
        assert sorted(path.name for path in kept.iterdir() if path.is_dir()) == sorted(map(str, ranked))
        lines = (kept / "audit.txt").read_text().splitlines()
        assert [re.fullmatch(r"Run (\d+) preserved \(error ([0-9.]+)\)", line) is not None for line in lines] == [True, True]
        assert [int(line.split()[1]) for line in lines] == ranked
        for task in ranked:
            final = folder / f"output_{iteration}" / str(task) / "xyz_final.xyz"
            assert (kept / str(task) / "input_initial.xyz").read_bytes() == final.read_bytes()
        generators = [each["generator_counter"] for _, each in sorted(values(folder, iteration + 1).items())]
        assert generators == [task for task in sorted(ranked, key=str) for _ in range(3)]
    assert {each["istart"] for each in values(folder, 0).values()} == {2}
    assert {each["istart"] for each in values(folder, 2).values()} == {1}


def test_simulated_annealing_fits_each_kept_structure_at_four_temperatures(small: LocalStorage, tmp_path: Path) -> None:
    compute = LocalCompute(slots=2, scratch=str(tmp_path / "scratch"))
    asked = {"inputs": {"optimisation_scheme": "MCSA", "threshold": 2}, "max_iterations": 2}
    _, folder = go(tmp_path, compute, small, **asked)

    assert [each["temp"] for each in values(folder, 0).values()] == [300] * 8
    later = [(each["generator_counter"], each["temp"]) for _, each in sorted(values(folder, 1).items())]
    generators = list(dict.fromkeys(generator for generator, _ in later))
    assert len(generators) == 2
    assert later == [(generator, temperature) for generator in generators for temperature in ANNEALING]
