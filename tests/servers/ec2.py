"""An EC2 on the loopback device whose instances are real machines: SSH servers with disks and processes of their own.

moto keeps the books, in a process of its own with a process table of its own: when that ends, for whatever reason, every machine
and all that runs there has ended. What cannot be seen by its users is offered here: faults, what was called, what is left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

from tests.servers import loopback, process_table
from tests.servers.ec2_server.faults import ANY_ACTION
from tests.servers.machine import room

REPOSITORY = Path(__file__).parents[2]
IMAGE = {
    "ami_id": "ami-0deb12000",
    "name": "debian-12-amd64",
    "description": "Debian 12 as this machine has it",
    "owner_id": "136693071363",
    "public": True,
    "virtualization_type": "hvm",
    "architecture": "x86_64",
    "state": "available",
    "platform": None,
    "image_type": "machine",
    "hypervisor": "xen",
    "root_device_name": "/dev/sda1",
    "root_device_type": "ebs",
    "sriov": "simple",
    "creation_date": "2026-01-01T00:00:00.000Z",
}
UBUNTU = [  # of Canonical, as it names them
    IMAGE
    | {
        "ami_id": f"ami-0ab24040{month}",
        "name": f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-2026{month}01",
        "owner_id": "099720109477",
        "creation_date": f"2026-{month}-01T00:00:00.000Z",
    }
    for month in ("03", "04", "02")
]
VALIDATION = ("MOTO_ENABLE_AMI_VALIDATION", "MOTO_ENABLE_KEYPAIR_VALIDATION", "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION")


class Options(TypedDict, total=False):
    """How a cloud may differ from a plain one."""

    pool: str  # where addresses are from, loopback.CLOUDS.0.0/24 unless given; no two clouds at a time may share one
    ssh_port: int  # 22 unless given
    boot_delay: float  # seconds from pending to running, 0.2 unless given; SSH answers a moment later
    default_user: str  # whom the key pair lets in, debian unless given
    instance_limit: int  # of the account, none unless given


class Call(NamedTuple):
    """One call of the API: when (seconds since 1970), what, and ``done``, the code of the error, or ``lost``."""

    time: float
    action: str
    outcome: str
    parameters: dict[str, str]


class Resource(NamedTuple):
    """Something that exists: its type as EC2 names it, its id (a key pair's name, an address), its tags."""

    kind: str
    id: str
    tags: dict[str, str]


class EC2:
    """One account of one cloud.

    Attributes:
        host, port: where the API is, over HTTP; requests must be signed with version 4.
        access_key, secret_key: whom it knows.
        image: the id of an image of Debian; there are some of Ubuntu too.
    """

    host = "127.0.0.1"
    region = "us-east-1"
    access_key = "AKIACHIMINEYTESTS000"
    secret_key = "the-secret-of-the-tests"
    image = str(IMAGE["ami_id"])

    def __init__(self, folder: Path, **options: Unpack[Options]) -> None:
        """Plan a cloud that keeps what it has below ``folder``; nothing runs before ``start``."""
        self.port = 0
        self.default_user = options.get("default_user", "debian")
        self._folder, self._options = folder, options
        self._process: subprocess.Popen[str] | None = None
        self._talk = threading.Lock()

    def start(self) -> None:
        """Start the endpoint and wait until it listens. Raises RuntimeError with the log's end when it doesn't."""
        machines, images, log = (self._folder / name for name in ("machines", "images.json", "log"))
        machines.mkdir(parents=True, exist_ok=True)
        images.write_text(json.dumps([IMAGE, *UBUNTU]))
        settings = {
            "folder": str(machines),
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "pool": self._options.get("pool", f"{loopback.CLOUDS}.0.0/24"),
            "ssh_port": self._options.get("ssh_port", 22),
            "boot_delay": self._options.get("boot_delay", 0.2),
            "default_user": self.default_user,
            "instance_limit": self._options.get("instance_limit"),
        }
        environment = os.environ | {"MOTO_AMIS_PATH": str(images)} | dict.fromkeys(VALIDATION, "true")
        command = [*room(machines), sys.executable, "-m", "tests.servers.ec2_server", json.dumps(settings)]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=REPOSITORY,
                env=environment,
            )
        self.port = self._reply()

    def stop(self) -> None:
        """Let the cloud vanish, with every machine. One that has not been started stays so."""
        if self._process:
            with self._process:
                process_table.end_namespace(self._process)
            self._process = None

    def fail(self, code: str, status: int, action: str = ANY_ACTION, times: int | None = 1, every: int = 1) -> None:
        """Refuse every ``every``-th call of the action with this code and HTTP status, ``times`` times; None: until healed."""
        self._ask("fail", kind="error", code=code, status=status, action=action, times=times, every=every)

    def lose_answers(self, action: str = ANY_ACTION, times: int | None = 1, every: int = 1) -> None:
        """Carry out such calls, and cut the connection instead of answering."""
        self._ask("fail", kind="lost", action=action, times=times, every=every)

    def hang(self, action: str = ANY_ACTION, times: int | None = 1, every: int = 1) -> None:
        """Neither carry out such calls nor answer them; healed, the connection is cut."""
        self._ask("fail", kind="hang", action=action, times=times, every=every)

    def change_key(self, access_key: str, secret_key: str) -> None:
        """Know the account by another key from now on, and by the old one no more."""
        self._ask("change_key", access_key=access_key, secret_key=secret_key)
        self.access_key, self.secret_key = access_key, secret_key

    def fail_boots(self, state: Literal["pending", "running", "terminated"], machines: int = 1) -> None:
        """Let the next machines never come up: EC2 says ``state`` of them, for ever, and no SSH server answers."""
        self._ask("fail_boots", state=state, machines=machines)

    def limit_capacity(self, machines: int) -> None:
        """Have only so many machines to give from now on; terminated ones come back. Others are InsufficientInstanceCapacity."""
        self._ask("limit_capacity", machines=machines)

    def heal(self) -> None:
        """Have no fault any more, and any number of machines. What has happened to machines stays so."""
        self._ask("heal")

    def terminate(self, instance: str) -> None:
        """Terminate an instance as its owner would by another program."""
        self._ask("terminate", instance=instance)

    def cut_power(self, instance: str, state: Literal["running", "stopped", "terminated"] = "stopped") -> None:
        """Kill all that runs on an instance at once; EC2 says ``state`` of it."""
        self._ask("lose", instance=instance, state=state, reason="Server.InternalError", message="The host has failed")

    def reclaim(self, instance: str) -> None:
        """Take back a spot instance: it is terminated, and the reason says so."""
        reason = "Server.SpotInstanceTermination"
        self._ask("lose", instance=instance, state="terminated", reason=reason, message="Spot instance termination")

    def calls(self, action: str = ANY_ACTION) -> list[Call]:
        """The calls of the API since the start, oldest first; those that hang are not among them."""
        calls = [Call(**call) for call in self._ask("calls")]
        return [call for call in calls if action in {ANY_ACTION, call.action}]

    def left(self) -> list[Resource]:
        """All that users have made and not removed: instances that are not terminated, key pairs, groups, addresses, volumes."""
        return [Resource(**resource) for resource in self._ask("left")]

    def processes(self) -> list[str]:
        """The command lines of what runs on all machines, with their SSH servers."""
        if self._process is None:
            return []
        _, *others = process_table.descendants(self._process.pid)
        on_machines = (pid for pid in others if process_table.program(pid) != "unshare")  # which holds one from outside
        return [line for pid in on_machines if (line := process_table.command_line(pid))]

    def _ask(self, word: str, **arguments: Any) -> Any:
        assert self._process, "the cloud is off: start it first"
        assert self._process.stdin
        with self._talk:
            self._process.stdin.write(json.dumps([word, arguments]) + "\n")
            self._process.stdin.flush()
            return self._reply()

    def _reply(self) -> Any:
        assert self._process
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise RuntimeError(f"EC2 has ended: {(self._folder / 'log').read_text()[-2000:]}")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["result"]
