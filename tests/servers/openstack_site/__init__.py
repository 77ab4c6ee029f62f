"""An OpenStack of its own on loopback: Keystone, Glance, Placement, Neutron and Nova, whose servers are real SSH servers.

Everything here runs in the virtual environment that ``requirements.lock`` fills, apart from the suite's own; ``__main__`` says how.
"""
