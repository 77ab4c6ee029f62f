"""Fixtures for the tests of the servers themselves."""

from __future__ import annotations

from tests.clusters.gridengine_fixture import grid_engine, standing_grid_engine
from tests.servers.hadoop_fixture import hadoop
from tests.servers.object_stores_fixture import s3, swift
from tests.servers.openstack_fixture import openstack, standing_openstack

__all__ = ["grid_engine", "hadoop", "openstack", "s3", "standing_grid_engine", "standing_openstack", "swift"]
