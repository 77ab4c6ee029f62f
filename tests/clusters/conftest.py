"""Fixtures for the tests of clusters: real schedulers on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.cli.conftest import chiminey
from tests.clusters.gridengine_fixture import grid_engine, standing_grid_engine
from tests.engine import patient_clean_up
from tests.servers import slurm_accounting
from tests.servers.farm import Farm
from tests.servers.slurm import PROGRAMS, TORQUE_WRAPPERS, Slurm

__all__ = ["chiminey", "grid_engine", "standing_grid_engine"]

FIRST_HOST = 101  # the number of the first login node: others begin at 1


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is."""
    patient_clean_up(monkeypatch.setattr)


@pytest.fixture(scope="session")
def slurm_programs(namespaces: None) -> None:
    """Skip the test when Slurm isn't here."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: install slurmctld, slurmd and slurm-client")
    if not TORQUE_WRAPPERS.is_dir():
        pytest.skip(f"needs Slurm's Torque commands in {TORQUE_WRAPPERS}, where scripts/test puts them")


@pytest.fixture(scope="session")
def standing_slurm(slurm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The cluster behind ``slurm``, started once."""
    farm = Farm(tmp_path_factory.mktemp("slurm"), first=FIRST_HOST)
    cluster = Slurm(farm(1)[0], torque=True)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def standing_slurm_with_accounting(slurm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The cluster behind ``slurm_with_accounting``, started once."""
    missing = [program for program in slurm_accounting.PROGRAMS if not shutil.which(program)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: install slurmdbd and mariadb-server")
    farm = Farm(tmp_path_factory.mktemp("slurm"), first=FIRST_HOST + 1)
    cluster = Slurm(farm(1)[0], accounting=True)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def slurm(standing_slurm: Slurm) -> Slurm:
    """Four idle nodes with 16 CPUs each, as new: no accounting, and with Slurm's own qsub, qstat and qdel."""
    standing_slurm.reset()
    return standing_slurm


@pytest.fixture
def slurm_with_accounting(standing_slurm_with_accounting: Slurm) -> Slurm:
    """The same with ``sacct``, and limits that are enforced: the user's account is called as the user."""
    standing_slurm_with_accounting.reset()
    return standing_slurm_with_accounting
