"""How fast it is, always as a ratio to a peer or a floor of the same run: ``make bench``."""
