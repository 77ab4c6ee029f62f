"""Parsl with its workers started by ssh: ``parsl_program.py SITE FOLDER TASKS``, a line for each login on standard input.

Run by the interpreter of the hosts, with Parsl in the folder SITE, which the hosts see too; imports nothing of ours.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.launchers.base import Launcher
from parsl.providers import LocalProvider

SITE, FOLDER, TASKS = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
LOGINS = sys.stdin.read().splitlines()
POOL = "process_worker_pool.py"


class OverSSH(Launcher):
    """Starts a pool of workers on each host."""

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        there = shlex.quote(f"cd && PYTHONPATH={SITE} {command}")
        return "".join(f"{login} {there} &\n" for login in LOGINS) + "wait\n"


@parsl.python_app
def computed(number: int) -> bytes:
    import subprocess
    from pathlib import Path

    folder = Path.home() / "w" / str(number)
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True)
    subprocess.run(["bash", Path.home() / "main.sh", "in", "out"], cwd=folder, check=True)
    return (folder / "out" / "number").read_bytes()


executor = HighThroughputExecutor(
    address="127.0.0.1",
    max_workers_per_node=2,
    encrypted=False,
    launch_cmd=DEFAULT_LAUNCH_CMD.replace(POOL, f"{sys.executable} {SITE}/bin/{POOL}"),
    worker_logdir_root="/tmp/parsl",
    provider=LocalProvider(launcher=OverSSH(debug=False), init_blocks=1, min_blocks=1, max_blocks=1, nodes_per_block=len(LOGINS)),
)
with parsl.load(Config(executors=[executor], run_dir=str(FOLDER / "parsl"), usage_tracking=0, strategy="none")):
    for number, future in enumerate([computed(number) for number in range(TASKS)]):
        target = FOLDER / str(number)
        target.mkdir()
        (target / "number").write_bytes(future.result())
