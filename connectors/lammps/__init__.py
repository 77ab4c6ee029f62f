"""Molecular dynamics with LAMMPS: ``lammps(temperatures=8)`` runs it."""

from connectors.lammps.connector import lammps

__all__ = ["lammps"]
