"""A compute resource whose hosts are made for the run: real SSH servers, kept by a provider that is a folder of this machine.

Several processes may use the provider at once, and it outlives them, as one does. What it is to do wrong is told it by files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from blocks.compute import UnixCompute
from blocks.errors import ResourceError, Unreachable
from blocks.host import Host
from blocks.label import RunLabel
from flows import resources
from tests.servers import process_table
from tests.servers.sshd import SSHD, make_key

_started: list[SSHD] = []  # by this process, which is their parent for as long as it lives

FIRST_NUMBER = 60  # of the servers: makes their addresses, which those of the farm's hosts must not be


class Provider:
    """Machines in a folder: a file for each that was made, gone when it is; and a line in ``calls`` for each request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines = folder / "machines"
        self.private_key = folder / "id_ed25519"

    def set_up(self) -> None:
        self.machines.mkdir(parents=True)
        make_key(self.private_key)

    def fault(self, name: str, times: int = 1, words: str = "") -> None:
        """Let the next so many requests of this name (make, ready, release, destroy, hosts_for) fail, in these words."""
        (self.folder / f"fault-{name}").write_text(f"{times} {words}")

    def delay(self, name: str, seconds: float) -> None:
        """Let requests of this name take so long, from now on."""
        (self.folder / f"delay-{name}").write_text(str(seconds))

    def asked(self, name: str) -> list[str]:
        """What requests of this name were about."""
        calls = self.folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == name]

    def living(self) -> list[str]:
        """The names of the machines that are there, as run/host."""
        return sorted(path.name.replace("@", "/") for path in self.machines.iterdir())

    def kill(self, machine: str) -> None:
        """End a machine from outside, as if its power were cut; the provider knows."""
        record = self.machines / machine.replace("/", "@")
        os.kill(json.loads(record.read_text())["process"], signal.SIGKILL)
        record.unlink()

    def freeze(self, machine: str) -> None:
        """Let a machine go silent; the provider knows of nothing."""
        first = process_table.only_child(json.loads((self.machines / machine.replace("/", "@")).read_text())["process"])
        process_table.send(signal.SIGSTOP, process_table.beside(first))

    def home(self, machine: str) -> Path:
        """The login folder on a machine, also when it is gone."""
        return self.folder / "disks" / machine.replace("/", "@") / "homes" / "lab"

    def note(self, name: str, about: str) -> None:
        """Take a request: wait and fail as it was told."""
        with (self.folder / "calls").open("a") as calls:
            calls.write(f"{name} {about}\n")
        delay, fault = self.folder / f"delay-{name}", self.folder / f"fault-{name}"
        if delay.exists():
            time.sleep(float(delay.read_text()))
        with (self.folder / "lock").open("w") as lock:
            flock(lock, LOCK_EX)
            times, _, words = fault.read_text().partition(" ") if fault.exists() else ("0", "", "")
            if int(times) > 0:
                fault.write_text(f"{int(times) - 1} {words}")
                raise ResourceError(words or f"the provider refuses to {name}")

    def make(self, name: str) -> str:
        """Start the machine of this name, unless it is there; gives what the client has to know of it."""
        record = self.machines / name.replace("/", "@")
        with (self.folder / "lock").open("w") as lock:
            flock(lock, LOCK_EX)
            if record.exists():
                return name
            number = FIRST_NUMBER + len(self.asked("started"))
            server = SSHD(self.folder / "disks" / record.name, number, self.private_key)
            server.start()
            _started.append(server)
            known = {"destination": f"lab@{server.address}:{server.port}", "key": server.host_key_line}
            draft = self.folder / "draft"
            draft.write_text(json.dumps({**known, "process": server.power}))
            draft.replace(record)
            with (self.folder / "calls").open("a") as calls:
                calls.write(f"started {name}\n")
        return name

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            if (self.machines / name.replace("/", "@")).exists():
                self.kill(name)

    def clear(self) -> None:
        """End all machines."""
        self.remove(self.living())
        for server in _started:
            server.stop()
        _started.clear()
        shutil.rmtree(self.folder / "disks", ignore_errors=True)


class ElasticCompute(UnixCompute):  # pyright: ignore[reportIncompatibleMethodOverride] -- Prefect's Block
    """Machines of a :class:`Provider`."""

    _block_type_name = "Elastic Compute"
    _block_type_slug = "elastic-compute"
    kind: ClassVar[str] = "elastic"

    hosts: list[str] = Field(default=[])
    provider: str
    minimum: int = 1
    maximum: int = 3
    tasks_each: int = 1  # that are worth a machine
    idle_after: float = 1000.0
    price: float = 0.0

    @property
    def _provider(self) -> Provider:
        return Provider(Path(self.provider))

    def hosts_for(self, tasks: int) -> list[Host]:
        self._provider.note("hosts_for", str(tasks))
        return [Host("", "", self.slots, size="small", price=self.price)] * min(self.maximum, -(-tasks // self.tasks_each))

    @property
    def quorum(self) -> int:
        return self.minimum

    @property
    def idleness(self) -> float:
        return self.idle_after

    def make(self, host: Host, label: RunLabel) -> Host:
        self._provider.note("make", f"{label.run}/{host.id}")
        machine = self._provider.make(f"{label.run}/{host.id}")
        return Host(host.id, "", host.slots, machine, host.size, host.price)

    def ready(self, host: Host, label: RunLabel, stopped: Callable[[], bool]) -> Host:
        self._provider.note("ready", host.machine)
        known = self._known(host.machine)
        return Host(host.id, known["destination"], host.slots, host.machine, host.size, host.price)

    def open(self, host: Host, run: str):
        try:
            key = self._known(host.machine)["key"]
        except Unreachable:
            key = f"{host.address} ssh-ed25519 AAAA"
        access = self.model_copy(
            update={
                "hosts": [host.address],
                "private_key_file": str(self._provider.private_key),
                "use_agent": False,
                "host_keys": [key],
            }
        )
        return UnixCompute.open(access, host, run)

    def fate(self, host: Host, run: str) -> str:
        self._provider.note("fate", host.machine)
        return "" if host.machine in self._provider.living() else "the machine was terminated"

    def release(self, host: Host, run: str) -> None:
        self._provider.note("release", f"{run}/{host.id}")
        self._provider.remove([f"{run}/{host.id}"])

    def destroy(self, run: str, hosts: Iterable[Host]) -> None:
        self._provider.note("destroy", run)
        self._provider.remove(name for name in self._provider.living() if name.startswith(f"{run}/"))

    def orphans(self, installation: str) -> set[str]:
        self._provider.note("orphans", installation)
        return {name.partition("/")[0] for name in self._provider.living()}

    def _known(self, machine: str) -> dict[str, str]:
        try:
            return json.loads((self._provider.machines / machine.replace("/", "@")).read_text())
        except FileNotFoundError as error:
            raise Unreachable(f"there is no machine {machine} any more") from error


def register() -> None:
    """Let a run find the resource again, as those of the project are found."""
    if ElasticCompute not in resources.COMPUTE:
        resources.COMPUTE = (*resources.COMPUTE, ElasticCompute)
