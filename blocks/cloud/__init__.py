"""Clouds: machines that a provider makes for a run, through apache-libcloud."""
