"""What the clusters have in common: a login node over SSH, and a scheduler behind it that runs the tasks as job arrays."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import closing

from pydantic import Field

from blocks.compute.resource import ComputeResource
from blocks.host import Host
from blocks.host_session import HostSession
from blocks.job import JobFields, JobRequest
from blocks.scheduler.dialect import Dialect
from blocks.scheduler.session import Cluster, SchedulerSession
from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess

SILENCE_SECONDS = 300.0  # a scheduler that is busy, or whose jobs are being ended, may say nothing for minutes


class ClusterCompute(ComputeResource, JobFields, SSHAccess):  # pyright: ignore[reportIncompatibleMethodOverride] -- Prefect's Block
    """A cluster. Its login node needs a POSIX shell, tar and the scheduler's commands; its nodes share the scratch folder."""

    host: str = Field(title="Login node", description="As name, user@name, name:port or an alias of ~/.ssh/config.")
    at_once: int = Field(
        default=0, ge=0, title="Jobs at once", description="Jobs of an array that run at the same time, at most; 0 for no limit."
    )
    scratch: str = Field(
        default=".chiminey",
        title="Scratch folder",
        description="Where tasks work until they end, on a file system that all nodes see; below the home folder unless it "
        "starts with /.",
    )
    bootstrap_in_job: bool = Field(
        default=False,
        title="Bootstrap in a job",
        description="Run bootstrap.sh in a job of its own, where the login node is not for that.",
    )
    slowest_poll: float = Field(
        default=30.0,
        ge=1,
        title="Slowest poll",
        description="Seconds between two questions to the login node, at most; it is asked more often in a run's first minutes.",
    )
    latency: float = Field(
        default=10.0,
        ge=0,
        title="File system latency",
        description="Seconds after which what a node wrote can be seen on the login node.",
    )
    lost_after: float = Field(
        default=86400.0,
        ge=0,
        title="Lost after",
        description="Seconds that the login node may be unreachable before the run is given up; its jobs go on meanwhile.",
    )

    @property
    @abstractmethod
    def dialect(self) -> Dialect:
        """The scheduler's."""

    def hosts_for(self, tasks: int) -> list[Host]:
        return [Host(self.host, self.host)]

    def open(self, host: Host, run: str) -> HostSession:
        transport = SSHTransport(host.address, self, SILENCE_SECONDS)
        cluster = Cluster(self.dialect, self, self.at_once, self.latency, self.bootstrap_in_job)
        return SchedulerSession(transport, run, self.scratch, cluster)

    def problems(self, needs: JobRequest, asked: JobRequest) -> list[str]:
        wanted = asked.over(needs).over(self)
        found = [*self.dialect.problems(wanted), *self.dialect.misplaced(wanted.directives)]
        if wanted.mail_on and not wanted.mail:
            found.append("mail_on says when the scheduler writes a mail, and mail does not say to whom; give an address")
        return found

    def check(self) -> list[str]:
        with closing(self.open(self.hosts_for(0)[0], "check")) as session:
            facts = session.probe()
        return [
            f"{self.host}: {facts.described()}",
            *facts.notes,
            *self.problems(JobRequest(), JobRequest()),
        ]

    @property
    def patience(self) -> float:
        return self.lost_after

    def pause(self, elapsed: float, quiet: float) -> float:
        """A tenth of what the run has taken so far: it ends hardly later for it, and long ones leave the login node in peace."""
        return min(self.slowest_poll, max(1.0, elapsed / 10))
