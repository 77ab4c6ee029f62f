"""A real Grid Engine around a host of ``sshd``, which is login node and only compute node at once.

The daemons run within the host's namespaces, with its accounts, homes and process table. What they keep is in memory, mounted
inside the host: the machine's own cell stays as it is, two clusters know nothing of each other, and all is gone when the host
stops. Grid Engine does not take a loopback address for a host's own: the host must be in a network of its own.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypedDict, Unpack

from tests.servers.sshd import SSHD

PROGRAMS = ("sge_qmaster", "sge_execd", "qsub")
START_SECONDS = 120.0
MEMORY = "256G"  # more than there is: it is what jobs may request, and nobody uses it
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

# The paths are those that Debian's qsub and the others expect without any setting. /mnt holds what is bound to them.
LAY_OUT = """
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/cell/common /mnt/spool/qmaster/job_scripts /mnt/spool/spooldb /mnt/spool/execd /mnt/spool/settings
cp /usr/share/gridengine/default-bootstrap /mnt/cell/common/bootstrap
cp /etc/hosts /mnt/hosts
echo {address} {name} >> /mnt/hosts
echo {name} > /mnt/cell/common/act_qmaster
chown -R sgeadmin: /mnt/cell /mnt/spool
mount --bind /mnt/hosts /etc/hosts
mount --bind /mnt/cell /var/lib/gridengine/default
mount --bind /mnt/spool /var/spool/gridengine
umount /mnt
cd /
exec setpriv --reuid sgeadmin --regid sgeadmin --clear-groups \\
    /usr/share/gridengine/scripts/init_cluster /var/lib/gridengine default /var/spool/gridengine/spooldb sgeadmin
"""

# Every object of the configuration is what Grid Engine proposes for it, apart from these lines.
SCHEDULER = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1", "job_load_adjustments": "NONE"}
# Users and groups of small numbers may submit, and nobody gets mail. What happened is written down at once, not after 15 s.
REPORTING = "accounting=true reporting=true flush_time=00:00:01 accounting_flush_time=00:00:00 joblog=true sharelog=00:00:00"
GLOBAL = {
    "min_uid": "0",
    "min_gid": "0",
    "gid_range": "40000-40500",
    "administrator_mail": "none",
    "reporting_params": REPORTING,
}
# A job that requests no memory gets the default, which is also its limit: zero would be the end of it.
COMPLEXES = {"h_vmem": "h_vmem MEMORY <= YES YES 4G 0"}
QUEUE = {"load_thresholds": "NONE", "pe_list": "smp"}
PARALLEL_ENVIRONMENT = "/usr/share/gridengine/util/resources/pe/smp"  # slots of one node, 999 at most


class Options(TypedDict, total=False):
    """How a cluster may differ from a plain one."""

    slots: int  # 8 unless given: so many tasks run at once, of both queues together
    settings: dict[str, str]  # of the global configuration (see sge_conf), such as {"max_aj_tasks": "100"}


class GridEngine:
    """One cluster whose only user is the host's. Queues: ``all.q``, and ``short.q`` that gives a job a minute.

    Jobs may request ``-l h_vmem=`` up to 256 GB in sum, 4 GB unless they say, and slots by ``-pe smp``.

    Attributes:
        host: the login node, where users come in by SSH and where the jobs run.
    """

    def __init__(self, host: SSHD, **options: Unpack[Options]) -> None:
        """Plan a cluster around ``host``, which must have an address of its own, and run when ``start`` is called."""
        self.host = host
        self._options = options
        self._last_old_job = 0

    def start(self) -> None:
        """Start both daemons and wait until jobs are taken. Raises RuntimeError with the logs' ends when they aren't."""
        self.as_root("sh", "-ec", LAY_OUT.format(address=self.host.address, name=self.host.name))
        self.start_qmaster()
        self._configure()
        self.as_root("sge_execd")
        self._wait_until(lambda: self.host.name in self._show("-sel"), "sge_execd did not come up")
        self._offer_queues()
        self._wait_until_open()
        self._last_old_job = 0  # a cluster of before is forgotten

    def stop(self) -> None:
        """Cut the power: the login node, the daemons and every job are gone at once."""
        self.host.stop()

    def reset(self) -> None:
        """Make the cluster as new, and running: no job, nobody logged in, an empty home, counts from zero.

        ``qacct`` still knows the jobs of before, and numbers go on.
        """
        self.host.thaw()
        if not self._qmaster_runs():
            self.start_qmaster()
        self._last_old_job = max(self._jobs(), default=0)
        with suppress(subprocess.CalledProcessError):  # there is none, or no more
            self.as_root("qdel", "-f", "-u", self.host.user)
        self._wait_until(lambda: not self.as_root("qstat", "-u", "*"), "the jobs that were deleted are still there")
        self._wait_until_open()
        self.host.reset("sge_qmaster", "sge_execd")

    def run(self, *command: str) -> str:
        """What a command prints that the user runs in their home on the login node. Raises CalledProcessError."""
        user = ["setpriv", "--reuid", self.host.user, "--regid", "users", "--clear-groups", "--reset-env"]
        return self.as_root(*user, "env", f"--chdir=/home/{self.host.user}", *command)

    def as_root(self, *command: str) -> str:
        """What a command prints that root, a manager of the cluster, runs on the login node. Raises CalledProcessError."""
        result = subprocess.run(
            self.host.inside(*command), check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT
        )
        return result.stdout

    def submissions(self) -> int:
        """How many jobs and arrays have been accepted since the last reset. Refused ones have numbers, too, but don't count."""
        return sum(number > self._last_old_job for number in self._jobs())

    def stop_qmaster(self) -> None:
        """Kill sge_qmaster, which takes nine seconds for a clean end; jobs go on, and every command but qacct fails."""
        self.as_root("pkill", "-KILL", "-x", "sge_qmaster")
        self._wait_until(lambda: not self._qmaster_runs(), "sge_qmaster does not stop")

    def start_qmaster(self) -> None:
        """Start sge_qmaster, with the state that it had, and wait until it answers."""
        self.as_root("sge_qmaster")
        self._wait_until(self._answers, "sge_qmaster does not answer")

    def restart_qmaster(self) -> None:
        """Kill sge_qmaster and start it again; jobs go on. For half a minute it hears nothing of them, and can't start any."""
        self.stop_qmaster()
        self.start_qmaster()

    @property
    def _spool(self) -> Path:
        return self.host.root / "var/spool/gridengine"

    @property
    def _common(self) -> Path:
        return self.host.root / "var/lib/gridengine/default/common"

    def _jobs(self) -> set[int]:
        """The numbers of all jobs that were ever accepted: those that are, those that ran, and those that were a second ago."""
        numbers = re.findall(r"^ *(\d+) ", self.as_root("qstat", "-u", "*"), re.MULTILINE)
        for name, number in (("accounting", r"^(?:[^:]*:){5}(\d+):"), ("reporting", r"^\d+:new_job:\d+:(\d+):")):
            with suppress(FileNotFoundError):  # until there is something to write
                numbers += re.findall(number, (self._common / name).read_text(), re.MULTILINE)
        return set(map(int, numbers))

    def _configure(self) -> None:
        """Everything but the queues, which need the compute node."""
        self.as_root("qconf", "-as", self.host.name)
        self.as_root("qconf", "-au", self.host.user, "arusers")
        self._set("-Msconf", "scheduler", self._show("-ssconf"), SCHEDULER)
        self._set("-Mconf", "global", self._show("-sconf"), GLOBAL | self._options.get("settings", {}))
        self._set("-Mc", "complexes", self._show("-sc"), COMPLEXES)
        self.as_root("qconf", "-Ap", PARALLEL_ENVIRONMENT)

    def _offer_queues(self) -> None:
        slots = str(self._options.get("slots", 8))
        self.as_root("qconf", "-rattr", "exechost", "complex_values", f"slots={slots},h_vmem={MEMORY}", self.host.name)
        queue = QUEUE | {"hostlist": self.host.name, "slots": slots}
        template = self._show("-sq")
        self._set("-Aq", "all.q", template, queue | {"qname": "all.q"})
        self._set("-Aq", "short.q", template, queue | {"qname": "short.q", "seq_no": "1", "h_rt": "0:1:0"})

    def _show(self, *question: str) -> str:
        return self.as_root("env", "SGE_SINGLE_LINE=1", "qconf", *question)

    def _set(self, change: str, name: str, lines: str, own: dict[str, str]) -> None:
        """Hand the object ``name`` to qconf: its ``lines``, each a word and its value, with some values replaced."""
        for word, value in own.items():
            lines, found = re.subn(rf"^{word}\s.*$", f"{word} {value}", lines, flags=re.MULTILINE)
            if not found:
                raise ValueError(f"Grid Engine has no setting {word} of {name}")
        (self._spool / "settings" / name).write_text(lines)
        self.as_root("qconf", change, f"/var/spool/gridengine/settings/{name}")

    def _qmaster_runs(self) -> bool:
        return any(line.endswith("/sge_qmaster") for line in self.host.processes())

    def _answers(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return self.host.name in self._show("-sh")
        return False

    def _wait_until_open(self) -> None:
        self._wait_until(lambda: not self.as_root("qstat", "-f", "-qs", "u"), "the queue master does not hear of the node")

    def _wait_until(self, happens: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not happens():
            if time.monotonic() > deadline:
                logs = "".join(log.read_text()[-2000:] for log in self._spool.rglob("messages"))
                raise RuntimeError(f"{otherwise}: {logs}")
            time.sleep(0.05)
