"""Total energies with Quantum ESPRESSO, converged: ``espresso(energy_threshold=0.001)`` runs it."""

from connectors.espresso.connector import espresso

__all__ = ["espresso"]
