"""A real Slurm around a host of ``sshd``, which becomes the login node of a small cluster.

The controller and, where asked for, the accounting run on the login node itself. Every compute node is a ``slurmd`` in UTS, PID
and mount namespaces of its own within the host's: it has a host name, a process table and a /tmp of its own, and shares the
homes and accounts. What the cluster writes is in memory, mounted inside the host: all of it is gone when the host stops.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypedDict, Unpack

from tests.servers import process_table
from tests.servers.ports import free_ports
from tests.servers.slurm_accounting import ENVIRONMENT, Accounting
from tests.servers.slurm_config import (
    BOOT_NODE,
    CGROUP_CONFIG,
    CONFIG,
    CONSTRAIN_MEMORY,
    LAY_OUT,
    MEMORY_CGROUPS,
    PARTITIONS,
    WATCH_MEMORY,
)
from tests.servers.sshd import SSHD

PROGRAMS = ("slurmctld", "slurmd", "sbatch")
DAEMONS = ("slurmctld", "slurmscriptd", "slurmdbd", "mariadbd", "unshare")  # of the login node; unshare holds a compute node
TORQUE_WRAPPERS = Path("/var/cache/chiminey-tests/torque/usr/bin")  # where scripts/test unpacks them
START_SECONDS = 120.0


class Options(TypedDict, total=False):
    """How a cluster may differ from a plain one."""

    nodes: int  # 4 unless given; their names are c1, c2, ...
    cpus: int  # of each node, 16 unless given: more than there are makes the scheduler quicker
    memory: int  # of each node, in MB, 64,000 unless given, and for show like the CPUs
    max_array_size: int  # one more than the largest index of an array, 1,001 unless given
    accounting: bool  # whether there is a database of jobs (sacct), whose limits and QOS are enforced
    torque: bool  # whether users have Slurm's imitations of qsub, qstat and qdel
    config: str  # lines of slurm.conf; they win over the usual ones


class Slurm:
    """One cluster whose only user is the host's. Partitions: ``batch`` (all nodes, an hour) and ``short`` (c1, a minute).

    Attributes:
        host: the login node, where users come in by SSH.
        nodes: the names of the compute nodes.
        constrains_memory: whether the kernel lets Slurm say OUT_OF_MEMORY; a job that exceeds its memory is killed anyway.
    """

    def __init__(self, host: SSHD, **options: Unpack[Options]) -> None:
        """Plan a cluster around ``host``, which must run when ``start`` is called."""
        self.host = host
        self.nodes = [f"c{number}" for number in range(1, options.get("nodes", 4) + 1)]
        self.constrains_memory = MEMORY_CGROUPS.is_dir()
        self._cgroups = MEMORY_CGROUPS / f"slurm-{os.getpid()}-{host.name}"
        self._options = options
        self._controller: subprocess.Popen[bytes] | None = None
        self._booted: dict[str, subprocess.Popen[bytes]] = {}
        self._accounting = Accounting(host, free_ports(2)) if options.get("accounting") else None
        self._last_old_job = 0

    def start(self) -> None:
        """Start every daemon and wait until all nodes are idle. Raises RuntimeError with the log's end when they aren't."""
        self.as_root("sh", "-ec", LAY_OUT.format(names=" ".join([self.host.name, *self.nodes])))
        (self._folder / "etc" / "slurm.conf").write_text(self._config())
        (self._folder / "etc" / "cgroup.conf").write_text(CGROUP_CONFIG)
        if self._options.get("torque"):
            self._install_torque_wrappers()
        if self._accounting:
            self._accounting.start()
        self.start_controller()
        for name in self.nodes:
            self._boot(name)
        for name in self.nodes:
            self._wait_until_up(name)

    def stop(self) -> None:
        """Cut the power: login node, compute nodes and all that runs on them is gone at once."""
        self.host.stop()
        for process in (self._controller, *self._booted.values()):
            if process:
                process.wait()
        self._controller = None
        self._booted.clear()
        for cgroup in sorted(self._cgroups.rglob("*/"), reverse=True):  # an inner one comes after its parent
            cgroup.rmdir()
        if self.constrains_memory:
            self._cgroups.rmdir()

    def reset(self) -> None:
        """Make the cluster as new, and running: no job, nobody logged in, an empty home, counts from zero.

        ``squeue --states=all`` and ``sacct`` still know the jobs of before; ``jobs`` doesn't show them.
        """
        if self._controller is None:
            self.start_controller()
        for name in self.nodes:
            if name not in self._booted:
                self.start_node(name)
        if self._accounting:
            self.limit_submissions(-1)
            self.limit_wall_time(-1)
        self.run("scancel", f"--user={self.host.user}")
        self._wait_until(lambda: not self.run("squeue", "--noheader"), "the jobs that were cancelled still run")
        self.host.reset(*DAEMONS)
        self._last_old_job = max((int(number) for number in re.findall(r"^\d+", self._squeue("%F"), re.MULTILINE)), default=0)
        self._log.write_text("")
        self.as_root("sdiag", "--reset")

    def run(self, *command: str) -> str:
        """What a command prints that the user runs in their home on the login node. Raises CalledProcessError."""
        user = ["setpriv", "--reuid", self.host.user, "--regid", "users", "--clear-groups", "--reset-env"]
        return self.as_root(*user, "env", f"--chdir=/home/{self.host.user}", *command)

    def as_root(self, *command: str) -> str:
        """What a command prints that root runs on the login node. Raises CalledProcessError."""
        result = subprocess.run(
            self.host.inside(*command), check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT
        )
        return result.stdout

    def jobs(self) -> dict[str, str]:
        """The state of every job and array element since the last reset, by its id: ``{"12_3": "RUNNING"}``."""
        rows = (line.split() for line in self._squeue("%i %T").splitlines())
        return {job: state for job, state in rows if int(job.partition("_")[0]) > self._last_old_job}

    def submissions(self) -> int:
        """How many jobs and arrays have been accepted since the last reset."""
        return len(re.findall(r"_slurm_rpc_submit_batch_job: JobId=", self._log.read_text()))

    def requests(self) -> dict[str, int]:
        """How often the controller was asked what since the last reset: ``{"REQUEST_JOB_INFO": 12}``."""
        statistics = self.as_root("sdiag").partition("by message type")[2].partition("by user")[0]
        return {name: int(count) for name, count in re.findall(r"(\w+)\s+\(\s*\d+\)\s+count:(\d+)", statistics)}

    def expire(self, job: str) -> None:
        """Let the running job's time be over: limits are in minutes, and the controller looks at them every 30 s."""
        self.as_root("scontrol", "update", f"JobId={job}", "EndTime=now+1seconds")

    def limit_submissions(self, jobs: int) -> None:
        """Let the user have only so many jobs and array elements at a time, until the next reset; -1 is no limit."""
        self._limit(f"MaxSubmitJobsPerUser={jobs}")

    def limit_wall_time(self, minutes: int) -> None:
        """Let no job ask for more, until the next reset; -1 is no limit."""
        self._limit(f"MaxWall={minutes}", "Flags=DenyOnLimit")

    def _limit(self, *settings: str) -> None:
        self.as_root("sacctmgr", "--immediate", "modify", "qos", "normal", "set", *settings)

    def stop_controller(self) -> None:
        """Stop slurmctld as its operator would; jobs go on, and it knows them when it comes back."""
        if self._controller:
            self._save_jobs()
            process_table.send(signal.SIGTERM, [process_table.only_child(self._controller.pid)])
            self._controller.wait()
            self._controller = None

    def start_controller(self) -> None:
        """Start slurmctld, with the state that it had, and wait until it answers."""
        self._controller = self._spawn("slurmctld", "-D")
        self._wait_until(self._answers, "slurmctld does not answer")

    def kill_node(self, name: str) -> None:
        """Cut the power of a compute node: its slurmd and all that jobs run on it is gone at once, and the controller is told.

        It would notice by itself, but only after so long that no node of a busy machine is taken for dead.
        """
        process = self._booted.pop(name)
        unshare = process_table.only_child(process.pid)
        process_table.send(signal.SIGKILL, [process_table.only_child(unshare)])
        process.wait()
        self.as_root("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=power")

    def start_node(self, name: str) -> None:
        """Boot a compute node that was killed, and wait until it takes jobs."""
        self._boot(name)
        self._wait_until_up(name)

    @property
    def _folder(self) -> Path:
        return self.host.root / "var/spool/slurm"

    @property
    def _log(self) -> Path:
        return self._folder / "log" / "slurmctld"

    def _config(self) -> str:
        cpus, memory = self._options.get("cpus", 16), self._options.get("memory", 64_000)
        port, *ports = free_ports(1 + len(self.nodes))
        config = CONFIG.format(
            host=self.host.name,
            port=port,
            max_array_size=self._options.get("max_array_size", 1001),
            memory_per_cpu=memory // cpus,
        )
        for name, node_port in zip(self.nodes, ports, strict=True):
            config += f"NodeName={name} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} RealMemory={memory}\n"
        config += CONSTRAIN_MEMORY if self.constrains_memory else WATCH_MEMORY
        accounting = self._accounting.config if self._accounting else ""
        return config + PARTITIONS.format(first=self.nodes[0]) + accounting + self._options.get("config", "")

    def _install_torque_wrappers(self) -> None:
        (self._folder / "etc" / "plugstack.conf").write_text("required spank_pbs.so\n")  # gives jobs PBS_JOBID and others
        self.as_root("mount", "-t", "overlay", "-o", f"lowerdir={TORQUE_WRAPPERS}:/usr/bin", "overlay", "/usr/bin")

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log" / "output").open("ab") as output:
            return subprocess.Popen(
                self.host.inside(*command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=ENVIRONMENT
            )

    def _boot(self, name: str) -> None:
        (self._folder / name).mkdir(exist_ok=True)
        cgroup = self._cgroups / name
        if self.constrains_memory:
            cgroup.mkdir(parents=True, exist_ok=True)
        namespaces = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
        boot = BOOT_NODE.format(name=name, cgroup=cgroup, memory_cgroups=MEMORY_CGROUPS)
        self._booted[name] = self._spawn(*namespaces, "sh", "-c", boot)

    def _wait_until_up(self, name: str) -> None:
        idle = ("sinfo", "--noheader", f"--nodes={name}", "--states=idle,mixed,allocated", "--responding", "--format=%n")
        self._wait_until(lambda: self.as_root(*idle) != "", f"{name} takes no jobs")

    def _answers(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return bool(self.as_root("scontrol", "ping"))
        return False

    def _save_jobs(self) -> None:
        """Wait until the controller has written down its jobs: one that ends within seconds of a job's start forgets it."""
        jobs = self.as_root("squeue", "--noheader", "--format=%A").split()
        if not jobs:
            return
        saved, now = self._folder / "state" / "job_state", time.time()
        self.as_root("scontrol", "update", f"JobId={jobs[0]}", "Comment=saved")  # a change, after which it writes
        self._wait_until(lambda: saved.exists() and saved.stat().st_mtime > now, "the jobs are not written down")

    def _squeue(self, columns: str) -> str:
        return self.as_root("squeue", "--array", "--states=all", "--noheader", f"--format={columns}")

    def _wait_until(self, happens: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not happens():
            if time.monotonic() > deadline:
                logs = "".join(log.read_text()[-2000:] for log in (self._folder / "log").iterdir())
                raise RuntimeError(f"{otherwise}: {logs}")
            time.sleep(0.02)
