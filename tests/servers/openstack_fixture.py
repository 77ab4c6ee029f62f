"""Fixtures with a real OpenStack, for every conftest that imports them both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.servers.openstack import ENVIRONMENT, PROGRAMS, OpenStack


@pytest.fixture(scope="module")
def standing_openstack(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStack]:
    """The site behind ``openstack``, started once for a module: it is too large to stand by while others run."""
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        pytest.skip(f"needs {', '.join(missing)}: install mariadb-server")
    if not (ENVIRONMENT / "installed").exists():
        pytest.skip(f"needs OpenStack in {ENVIRONMENT}, where scripts/test installs it")
    site = OpenStack(tmp_path_factory.mktemp("openstack"))
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture
def openstack(standing_openstack: OpenStack) -> OpenStack:
    """An OpenStack whose project is empty, without limits and faults of another test."""
    standing_openstack.reset()
    return standing_openstack
