"""Fixtures for the tests of storages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.storage import ObjectStorage
from tests.engine import patient_clean_up
from tests.servers.object_stores_fixture import s3, swift
from tests.servers.s3 import S3
from tests.storage.object_storages import on_moto

__all__ = ["s3", "swift"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is."""
    patient_clean_up(monkeypatch.setattr)


@pytest.fixture
def storage(s3: S3) -> Iterator[ObjectStorage]:
    """One on moto, for modules that have no others."""
    storage = on_moto(s3)
    yield storage
    storage.close()
