"""Machines that a cloud's provider makes for the run as a compute resource."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import cached_property
from math import ceil
from typing import ClassVar

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from blocks.cloud.fleet import Fleet, Terms
from blocks.cloud.machine import Wish
from blocks.cloud.provider import Provider
from blocks.cloud.user_data import parsed
from blocks.compute.resource import ComputeResource
from blocks.credentials import EC2Credentials, LibcloudCredentials, OpenStackCredentials
from blocks.errors import InvalidRequest
from blocks.host import Host
from blocks.host_session import HostSession
from blocks.job import JobRequest
from blocks.label import RunLabel
from blocks.remote.session import RunnerSession

DAY = 86400  # seconds


class CloudCompute(ComputeResource):
    """Runs tasks on machines that are made for the run, and destroyed with it."""

    _block_type_name = "Cloud Compute"
    _block_type_slug = "cloud-compute"
    kind: ClassVar[str] = "cloud"

    credentials: EC2Credentials | OpenStackCredentials | LibcloudCredentials = Field(
        title="Credentials", description="The account that machines are made with."
    )
    image: str = Field(title="Image", description="What machines start from, by its name or id; Linux, with cloud-init.")
    size: str = Field(title="Size", description="The kind of machine, by its name or id, such as t3.medium.")
    minimum: int = Field(default=1, ge=1, title="Minimum", description="How many machines there must be for a run to go on.")
    maximum: int = Field(default=1, ge=1, title="Maximum", description="How many machines a run may have at once.")
    slots: int = Field(
        default=0, ge=0, title="Slots", description="Tasks at once on each machine; 0 for as many as it has processors."
    )
    username: str = Field(
        default="root", title="User name", description="The user to log in as, such as ubuntu, debian or ec2-user."
    )
    zone: str = Field(default="", title="Zone", description="The availability zone.")
    network: str = Field(default="", title="Network", description="The network or subnet, by its name or id.")
    security_groups: list[str] = Field(
        default=[],
        title="Security groups",
        description="By their names or ids; they must let in SSH. If empty, each run makes one of its own, and removes it.",
    )
    ssh_from: list[str] = Field(
        default=[],
        title="SSH from",
        description="Networks that the run's own security group lets in, such as 192.0.2.0/24; if empty, this machine alone.",
    )
    floating_pool: str = Field(
        default="", title="Floating addresses from", description="The network that each machine gets a floating address from."
    )
    private_address: bool = Field(
        default=False,
        title="Private address",
        description="Machines get no public address, and are reached at their own.",
    )
    disk: int = Field(default=0, ge=0, title="Disk", description="GB of the system disk; 0 for what the image and the size have.")
    spot: bool = Field(
        default=False, title="Spot", description="Spare capacity: cheaper, and taken back by the provider when it needs it."
    )
    user_data: str = Field(
        default="",
        title="User data",
        description="A script (#!...) or a #cloud-config that each machine is to heed as well, when it starts.",
    )
    jump_hosts: list[str] = Field(
        default=[], title="Jump hosts", description="The hosts to go through, first one first, each as user@host:port."
    )
    private_key_file: str | None = Field(
        default=None, title="Private key file of jump hosts", description="Machines themselves get a key of the run's own."
    )
    host_keys: list[str] = Field(
        default=[], title="Host keys of jump hosts", description="Lines of known_hosts; if empty, your known hosts file decides."
    )
    ssh_port: int = Field(default=22, ge=1, le=65535, title="SSH port", description="Where the machines' SSH server listens.")
    boot_limit: float = Field(
        default=600, gt=0, title="Boot limit", description="Seconds after which a machine that can't be used is given up."
    )
    idle_limit: float = Field(
        default=30,
        ge=0,
        title="Idle limit",
        description="Seconds without work after which a machine is destroyed before the run ends.",
    )
    lost_after: float = Field(
        default=60, ge=0, title="Lost after", description="Seconds that a machine may be unreachable before it is replaced."
    )
    unattended_limit: int = Field(
        default=60,
        ge=0,
        title="Unattended limit",
        description="Minutes without anybody logged in after which a machine powers itself off, whatever became of us; 0: never.",
    )
    lifetime: float = Field(
        default=7, gt=0, title="Lifetime", description="Days after which, as its tags tell, a machine was forgotten."
    )
    price: float = Field(default=0, ge=0, title="Price", description="What an hour of one machine costs; 0: not known.")
    scratch: str = Field(
        default=".chiminey",
        title="Scratch folder",
        description="Where tasks work until they end; below the login folder unless it starts with /.",
    )
    key_seed: SecretStr | None = Field(
        default=None,
        title="Key seed",
        description="A long random text that the keys of machines are derived from, for workers on several machines. If empty, "
        "each machine that runs connectors has its own, and can't go on with machines that another one made.",
    )
    _fleets: dict[str, Fleet] = PrivateAttr(default_factory=dict[str, Fleet])

    @field_validator("ssh_from")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"{error}; write for instance 192.0.2.0/24, or 0.0.0.0/0 for the whole world") from error
        return networks

    @field_validator("user_data")
    @classmethod
    def _is_user_data(cls, text: str) -> str:
        if text and not text.startswith("#!"):
            try:
                parsed(text)
            except InvalidRequest as error:
                raise ValueError(str(error).removeprefix("user_data: ")) from error
        return text

    @model_validator(mode="after")
    def _is_a_range(self) -> CloudCompute:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum is {self.minimum}, more than the maximum of {self.maximum}; raise maximum")
        return self

    def hosts_for(self, tasks: int) -> list[Host]:
        slots = self.slots or self._provider.size(self.size).processors or 1
        wanted = max(1, min(self.maximum, ceil(tasks / slots)))
        return [Host("", "", self.slots, size=self.size, price=self.price)] * wanted

    @property
    def quorum(self) -> int:
        return self.minimum

    def make(self, host: Host, label: RunLabel) -> Host:
        return self._fleet(label.run).make(host, label)

    def ready(self, host: Host, label: RunLabel, stopped: Callable[[], bool]) -> Host:
        return self._fleet(label.run).ready(host, label, stopped)

    def open(self, host: Host, run: str) -> HostSession:
        return RunnerSession(self._fleet(run).transport(host), run, self.scratch)

    def fate(self, host: Host, run: str) -> str:
        return self._fleet(run).fate(host)

    def release(self, host: Host, run: str) -> None:
        self._fleet(run).release(host)

    def destroy(self, run: str, hosts: Iterable[Host]) -> None:
        self._fleet(run).destroy(list(hosts))

    def orphans(self, installation: str) -> set[str]:
        return self._provider.runs(installation)

    def problems(self, needs: JobRequest, asked: JobRequest) -> list[str]:
        found = [*super().problems(needs, asked), *self._without_way_in(), *self._provider.problems(self._wish)]
        return found or self._beyond_quota()

    def _without_way_in(self) -> list[str]:
        """What machines let in can't be found out here where others come to them than this machine."""
        makes_group = not isinstance(self.credentials, LibcloudCredentials) and not self.security_groups
        if not self.jump_hosts or self.ssh_from or not makes_group:
            return []
        return [
            "ssh_from: machines are reached through jump hosts; name the network that they see the last one in, "
            "such as ssh_from=192.0.2.7/32"
        ]

    def _beyond_quota(self) -> list[str]:
        quota = self._provider.quota()
        if quota is None:
            return []
        processors = self.minimum * self._provider.size(self.size).processors
        if quota.machines >= self.minimum and (quota.processors is None or quota.processors >= processors):
            return []
        needed = f"{self.minimum} machine{'s are' if self.minimum > 1 else ' is'} needed"
        return [f"{needed}, and the quota of {self._provider.name} does not allow for that: {quota.words}"]

    def check(self) -> list[str]:
        wrong = [*self._without_way_in(), *self._provider.problems(self._wish)]
        if wrong:
            raise InvalidRequest(*wrong)
        size = self._provider.size(self.size)
        processors = f" with {size.processors} processors" if size.processors else ""
        return [*self.credentials.check(), f"image {self.image} and size {size.name}{processors} are there"]

    def describe(self) -> str:
        """What is made where, in a few words."""
        return f"{self.size} in {self.credentials.saved_name or self.credentials.describe()}, up to {self.maximum}"

    @property
    def patience(self) -> float:
        return self.lost_after

    @property
    def idleness(self) -> float:
        return self.idle_limit

    @cached_property
    def _provider(self) -> Provider:
        return self.credentials.provider()

    @property
    def _wish(self) -> Wish:
        return Wish(
            self.image,
            self.size,
            self.zone,
            self.network,
            tuple(self.security_groups),
            tuple(self.ssh_from),
            self.ssh_port,
            self.floating_pool,
            self.private_address,
            self.disk,
            self.spot,
        )

    def _fleet(self, run: str) -> Fleet:
        terms = Terms(
            wish=self._wish,
            username=self.username,
            jump_hosts=tuple(self.jump_hosts),
            private_key_file=self.private_key_file,
            host_keys=tuple(self.host_keys),
            user_data=self.user_data,
            boot_limit=self.boot_limit,
            unattended_minutes=self.unattended_limit,
            lifetime=self.lifetime * DAY,
            key_seed=self.key_seed,
        )
        return self._fleets.setdefault(run, Fleet(run, self._provider, terms))
