"""What a cloud is and has beside what its users asked for: addresses, machines to give, and what goes wrong with them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ec2_server.addresses import Pool


@dataclass(frozen=True, slots=True)
class Settings:
    """What is fixed when the cloud starts. ``boot_delay`` is the seconds from ``pending`` to ``running``."""

    folder: str
    access_key: str
    secret_key: str
    pool: str
    ssh_port: int
    boot_delay: float
    default_user: str
    instance_limit: int | None


class Cloud:
    """The state of one cloud; ``lock`` is held by whoever changes it.

    Attributes:
        capacity: how many machines the provider has to give at present, None for any number.
        boot_faults: what the next machines do instead of booting, one each (see ``EC2.fail_boots``).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.machines = Path(settings.folder)
        self.addresses = Pool(settings.pool)
        self.capacity: int | None = None
        self.boot_faults: list[str] = []
        self.lock = threading.RLock()

    def next_boot_fault(self) -> str | None:
        """What goes wrong with the machine that is about to boot."""
        return self.boot_faults.pop(0) if self.boot_faults else None
