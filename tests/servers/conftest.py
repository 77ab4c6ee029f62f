"""Fixtures for the tests of the servers themselves."""

from __future__ import annotations

from tests.clusters.gridengine_fixture import grid_engine, standing_grid_engine

__all__ = ["grid_engine", "standing_grid_engine"]
