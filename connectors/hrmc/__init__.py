"""Hybrid Reverse Monte Carlo: ``hrmc(fanout_per_kept_result=4)`` runs it."""

from connectors.hrmc.connector import hrmc

__all__ = ["hrmc"]
