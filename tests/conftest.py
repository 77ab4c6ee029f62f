"""Fixtures for every test: real SSH servers with small names, and a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import meanwhile
from tests.servers.farm import Farm
from tests.servers.sshd import PROGRAM, SSHD

STANDING_HOSTS = 4


def pytest_configure() -> None:
    """Let Ctrl-C be what it is in a terminal, and an example take its time.

    Who runs the tests in the background has Ctrl-C ignored, by all that they start too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("noisy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("noisy machine")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """What a test does beside a run ends with the test, and fails it."""
    try:
        return (yield)
    finally:
        meanwhile.end()


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In continuous integration everything must be there: a test that can't run there has failed."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure when CI is set: {report.longrepr}"


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip the test when hosts can't be made here."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to give each SSH server its own namespaces")
    missing = [program for program in (str(PROGRAM), "unshare", "nsenter", "ip", "ssh-keygen") if not shutil.which(program)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: install openssh-server, openssh-client, util-linux and iproute2")


@pytest.fixture
def farm(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """``farm(3, shell="/bin/tcsh")`` gives three fresh hosts, ``farm.slow(0.1)`` one that is 100 ms away."""
    farm = Farm(tmp_path_factory.mktemp("farm"), first=STANDING_HOSTS + 1)
    yield farm
    farm.stop()


@pytest.fixture
def sshd(farm: Farm) -> SSHD:
    """One fresh host."""
    return farm(1)[0]


@pytest.fixture(scope="session")
def standing_hosts(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SSHD]]:
    """The hosts behind ``hosts``, started once."""
    farm = Farm(tmp_path_factory.mktemp("hosts"))
    yield farm(STANDING_HOSTS)
    farm.stop()


@pytest.fixture
def hosts(standing_hosts: list[SSHD]) -> list[SSHD]:
    """Four plain hosts that are as new, but were started long ago: the quick choice."""
    for host in standing_hosts:
        host.reset()
    return standing_hosts


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with 1 MB of room."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of our own, on a socket in a temporary folder; gives its URL without the database's name."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or os.geteuid() != 0:
        pytest.skip("needs PostgreSQL's server (apt-get install postgresql) and root, to start it as its own user")
    with tempfile.TemporaryDirectory(prefix="chiminey-postgresql") as name:
        folder = Path(name)
        shutil.chown(folder, "postgres")
        as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        data = str(folder / "data")
        subprocess.run(
            [*as_user, programs[-1] / "initdb", "-D", data, "-A", "trust"], check=True, capture_output=True, cwd=folder
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        start = [*as_user, programs[-1] / "pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start"]
        subprocess.run(start, check=True, capture_output=True, cwd=folder)
        yield f"postgresql://postgres@/postgres?host={folder}"
        stop = [*as_user, programs[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
        subprocess.run(stop, check=True, capture_output=True, cwd=folder)
