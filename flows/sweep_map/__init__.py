"""Sweep maps: what names vary over, and the points that come of it."""

from flows.sweep_map.given import given, named_files, read
from flows.sweep_map.map import SweepMap

__all__ = ["SweepMap", "given", "named_files", "read"]
