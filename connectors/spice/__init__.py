"""Circuit simulation with ngspice: ``spice(resistance=2200)`` runs it."""

from connectors.spice.connector import spice

__all__ = ["spice"]
