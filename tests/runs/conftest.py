"""Fixtures for the tests of runs."""

from __future__ import annotations

from tests.servers.object_stores_fixture import swift

__all__ = ["swift"]
