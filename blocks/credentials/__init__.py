"""Credentials: accounts at the providers of clouds.

A new kind is a module of its own here, and a word in ``KINDS`` and ``blocks.kinds``.
"""

from blocks.credentials.credentials import CloudCredentials
from blocks.credentials.ec2 import EC2Credentials
from blocks.credentials.libcloud import LibcloudCredentials
from blocks.credentials.openstack import OpenStackCredentials

KINDS: tuple[type[CloudCredentials], ...] = (EC2Credentials, OpenStackCredentials, LibcloudCredentials)

__all__ = ["KINDS", "CloudCredentials", "EC2Credentials", "LibcloudCredentials", "OpenStackCredentials"]
