"""Fixtures with object stores on the loopback device, for every conftest that imports them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.s3 import S3
from tests.servers.swift import Swift, missing


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A Swift that all tests share; each uses containers of its own."""
    if needed := missing():
        pytest.skip(f"needs {needed}")
    server = Swift(tmp_path_factory.mktemp("swift"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """moto's S3, which all tests share; each uses buckets of its own."""
    server = S3(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()
