"""Where one site keeps what, and at which addresses it answers."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = Path(sys.prefix)  # the virtual environment of OpenStack
REPOSITORY = Path(__file__).parents[3]
PORTS = {"keystone": 5000, "placement": 8778, "nova": 8774, "glance": 9292, "neutron": 9696}  # the usual ones of each service
DATABASES = ("keystone", "glance", "placement", "neutron", "nova_api", "nova_cell0", "nova_cell1")
PROJECT = USER = "demo"
REGION = "Melbourne"  # none that anybody guesses
DEFAULT_USER = "debian"  # of the image: whom a key pair lets in


@dataclass(frozen=True, slots=True)
class Layout:
    """One site. Sites with different numbers don't meet: each has its own addresses on the loopback device.

    Attributes:
        folder: of all files, closed to other users.
        ssh_port: where the servers take connections.
    """

    folder: Path
    number: int
    ssh_port: int

    @property
    def state(self) -> Path:
        """What outlives the services: databases, keys, images and passwords. A copy of it makes another site start warm."""
        return self.folder / "state"

    @property
    def settings(self) -> Path:
        """The configuration of every service."""
        return self.folder / "settings"

    @property
    def logs(self) -> Path:
        """What each service wrote."""
        return self.folder / "logs"

    @property
    def machines(self) -> Path:
        """The disks of the servers: in memory, and seen by the site only."""
        return self.folder / "machines"

    @property
    def faults(self) -> Path:
        """What is to go wrong next."""
        return self.folder / "faults"

    @property
    def socket(self) -> Path:
        """Where MariaDB answers."""
        return self.folder / "mariadb"

    @property
    def password(self) -> str:
        """Of every user."""
        return (self.state / "password").read_text()

    @property
    def address(self) -> str:
        """Where the services answer."""
        return f"127.60.0.{self.number + 1}"

    @property
    def fixed_network(self) -> str:
        """The addresses that servers get when they are made."""
        return f"127.62.{self.number}.0/24"

    @property
    def floating_network(self) -> str:
        """The addresses that a project may reserve, and give to its servers."""
        return f"127.63.{self.number}.0/24"

    def url(self, service: str) -> str:
        """Where the service answers, without the version of its API."""
        return f"http://{self.address}:{PORTS[service]}"

    @property
    def identity_url(self) -> str:
        """Where everybody begins."""
        return self.url("keystone") + "/v3"

    def database(self, name: str) -> str:
        """The URL of a database, as SQLAlchemy wants it."""
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self.socket}&charset=utf8mb3"


def here() -> Layout:
    """The site that this process is part of, as its environment says."""
    folder, number, ssh_port = os.environ["OPENSTACK_SITE"].split(":")
    return Layout(Path(folder), int(number), int(ssh_port))
