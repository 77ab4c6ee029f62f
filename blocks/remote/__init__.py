"""The remote protocol: what is asked of a host, and the runner that stays at work there."""
