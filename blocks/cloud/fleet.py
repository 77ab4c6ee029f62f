"""The machines of one run: asked for once each, waited for, looked after, and let go of until the provider knows none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr

from blocks.cloud import tags, user_data
from blocks.cloud.boot import Boot
from blocks.cloud.keys import RunKeys
from blocks.cloud.machine import Machine, Wish
from blocks.cloud.provider import MachineOrder, Provider
from blocks.errors import ChimineyError, CommandFailed, ResourceError
from blocks.host import Host
from blocks.label import RunLabel
from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess
from blocks.under_way import UnderWay

SSH_PORT = 22
POLL_SECONDS = 2.0  # between two looks at machines that come or go
DESTROY_LIMIT = 240.0  # seconds until the provider must have seen everything off
END_AGAIN_SECONDS = 15.0  # after which a machine that is still there is ended once more
UNSURE_SECONDS = 10.0  # in which a machine that was asked for by a controller that died may still turn up
FATE_SECONDS = 5.0  # in which what the provider said of machines is taken for true


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all machines of a resource."""

    wish: Wish
    username: str
    jump_hosts: tuple[str, ...]
    private_key_file: str | None  # of the jump hosts
    host_keys: tuple[str, ...]  # of the jump hosts
    user_data: str
    boot_limit: float  # seconds
    unattended_minutes: int
    lifetime: float  # seconds
    key_seed: SecretStr | None


class Fleet:
    """The machines of one run, for any number of threads."""

    def __init__(self, run: str, provider: Provider, terms: Terms) -> None:
        self._run = run
        self._provider = provider
        self._terms = terms
        self._keys = RunKeys(run, terms.key_seed)
        self._preparing = threading.Lock()
        self._looking = threading.Lock()
        self._prepared = False
        self._making = UnderWay("the run is over, no machine is made for it any more")
        self._looked = 0.0
        self._seen: list[Machine] = []
        self._ended: dict[str, float] = {}  # when, by the machine's id

    def make(self, host: Host, label: RunLabel) -> Host:
        """Ask for the machine that is to be this host."""
        with self._making.one():
            self._prepare(label)
            machine = self._provider.make(self._order(host, label))
        return replace(host, machine=machine.id)

    def ready(self, host: Host, label: RunLabel, stopped: Callable[[], bool]) -> Host:
        """Wait until the machine runs, answers over SSH with the key that it was given, and cloud-init is done with it."""
        boot = Boot(self._terms.boot_limit, stopped)
        machine = self._running(host, boot)
        machine = self._addressed(self._provider.settle(machine, self._order(host, label)), host, boot)
        host = replace(host, machine=machine.id, address=self._destination(machine))
        boot.let_in(self.transport(host))
        return host

    def transport(self, host: Host) -> SSHTransport:
        """The way to a machine: in with the run's own key, and only to the host key that was made for it."""
        private, _ = self._keys.login()
        _, public = self._keys.host(host.id)
        access = SSHAccess(
            private_key=private,
            private_key_file=self._terms.private_key_file,
            use_agent=bool(self._terms.jump_hosts),
            jump_hosts=list(self._terms.jump_hosts),
            host_keys=[*self._terms.host_keys, public],
        )
        return SSHTransport(host.address, access)

    def fate(self, host: Host) -> str:
        """What the provider says of a machine that is no more; empty while it says that it runs, or nothing."""
        try:
            there = self._listed(FATE_SECONDS)
        except ResourceError:
            return ""  # a provider that is away as well proves nothing
        found = next((machine for machine in there if machine.host == host.id), None)
        if found is None:
            return "the provider knows no such machine any more"
        return found.reason or "the provider says that it is gone" if found.state in ("gone", "failed") else ""

    def release(self, host: Host) -> None:
        """Destroy one machine, and see it gone."""
        deadline = time.monotonic() + DESTROY_LIMIT
        while left := [machine for machine in self._there() if machine.host == host.id]:
            self._end(left)
            self._pause(deadline, left)
        if self._terms.wish.floating_pool:
            self._provider.take_back_address(self._run, host.id)

    def destroy(self, hosts: Sequence[Host]) -> None:
        """Destroy all machines, and what was made beside them, until the provider knows of nothing any more.

        Where nobody heard what came of a machine that was asked for, or the provider does not know it yet, it is waited for some
        seconds whether it turns up.
        """
        self._making.end(DESTROY_LIMIT)
        deadline, unsure = time.monotonic() + DESTROY_LIMIT, time.monotonic() + UNSURE_SECONDS
        made = [Machine(host.machine, self._run, host.id, "running") for host in hosts if host.machine]
        expected = {host.id for host in hosts if not host.machine} | self._end(made)  # they may not be listed yet
        while True:
            left = self._there()
            expected -= {machine.host for machine in left}
            self._end(left)
            if not left and (not expected or time.monotonic() > unsure):
                break
            self._pause(deadline, left)
        while rest := self._provider.remove_rest(self._run):
            if time.monotonic() > deadline:
                raise CommandFailed(f"{self._provider.name} still has {', '.join(rest)} of this run")
            time.sleep(POLL_SECONDS)
            self._end(self._there())

    def _there(self) -> list[Machine]:
        return [machine for machine in self._provider.machines(self._run) if machine.state != "gone"]

    def _end(self, machines: Sequence[Machine]) -> set[str]:
        """All at once: one call each, and none waits for another. Those that were ended a moment ago are left alone.

        Gives the hosts whose machines the provider does not know.
        """
        long_ago = time.monotonic() - END_AGAIN_SECONDS
        machines = [machine for machine in machines if self._ended.get(machine.id, long_ago) <= long_ago]
        unknown, failures = set[str](), list[ChimineyError]()

        def end(machine: Machine) -> None:
            try:
                if self._provider.end(machine):
                    self._ended[machine.id] = time.monotonic()
                else:
                    unknown.add(machine.host)
            except ChimineyError as error:
                failures.append(error)

        threads = [threading.Thread(target=end, args=(machine,), daemon=True) for machine in machines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return unknown

    def _pause(self, deadline: float, left: Sequence[Machine]) -> None:
        if time.monotonic() > deadline:
            names = ", ".join(machine.id for machine in left)
            raise CommandFailed(f"{self._provider.name} has not destroyed {names} in {DESTROY_LIMIT:g} s")
        time.sleep(POLL_SECONDS / 4 if deadline - time.monotonic() > DESTROY_LIMIT - 2 * POLL_SECONDS else POLL_SECONDS)

    def _prepare(self, label: RunLabel) -> None:
        with self._preparing:
            if not self._prepared:
                common = tags.of_run(label, self._terms.lifetime)
                self._provider.prepare(self._run, common, self._keys.login()[1], self._terms.wish)
                self._prepared = True

    def _order(self, host: Host, label: RunLabel) -> MachineOrder:
        private, public = self._keys.host(host.id)
        text = user_data.compose(
            (private.get_secret_value(), public),
            self._keys.login()[1],
            self._terms.unattended_minutes,
            self._terms.user_data,
        )
        return MachineOrder(self._run, host.id, tags.of_host(label, self._terms.lifetime, host.id), text, self._terms.wish)

    def _running(self, host: Host, boot: Boot) -> Machine:
        """The machine, once its provider says that it runs."""
        while True:
            found = next((machine for machine in self._listed(POLL_SECONDS / 2) if machine.host == host.id), None)
            if found is not None and found.state == "running":
                return found
            if found is not None and found.state in ("gone", "failed"):
                raise CommandFailed(f"{self._provider.name} made {found.id} and gave it up: {found.reason or found.state}")
            boot.wait(f"{self._provider.name} has not started it")

    def _addressed(self, machine: Machine, host: Host, boot: Boot) -> Machine:
        while not machine.address(self._terms.wish):
            boot.wait(f"{self._provider.name} has given it no address")
            machine = self._running(host, boot)
        return machine

    def _destination(self, machine: Machine) -> str:
        address, port = machine.address(self._terms.wish), self._terms.wish.ssh_port
        host = f"[{address}]" if ":" in address else address
        return f"{self._terms.username}@{host}" + ("" if port == SSH_PORT else f":{port}")

    def _listed(self, age: float) -> list[Machine]:
        """The machines of the run as they were at most so many seconds ago; one look at the provider serves all threads."""
        asked = time.monotonic()
        with self._looking:
            if self._looked < asked - age:
                self._seen = self._provider.machines(self._run)
                self._looked = time.monotonic()
            return self._seen
