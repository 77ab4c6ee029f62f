"""A random number with a time stamp: ``randnum()`` runs it."""

from connectors.randnum.connector import randnum

__all__ = ["randnum"]
