"""What scientists declare: a folder for each smart connector, and the catalogue of all that can be found."""

from connectors.discovery import Broken, Catalogue, catalogue, load, load_again

__all__ = ["Broken", "Catalogue", "catalogue", "load", "load_again"]
