"""Fixtures for the tests of runs."""

from __future__ import annotations

from tests.servers.object_stores_fixture import s3, swift

__all__ = ["s3", "swift"]
