"""An OpenStack of its own on loopback: Keystone, Glance, Placement, Neutron and Nova, whose servers are real SSH servers.

Everything here runs in a virtual environment of its own, which ``requirements.lock`` fills: see ``__main__``.
"""
