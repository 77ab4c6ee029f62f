"""Hadoop as a compute resource, and programs for it."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from blocks.compute import HadoopCompute
from blocks.storage import LocalStorage
from tests.servers.hadoop import HOME, Hadoop
from tests.servers.sshd import SSHD

# A job whose mapper is the shell command MAPPER, on one line of text; it is asked for with HADOOP_JOB.
JOB = """
mkdir lines && echo x >lines/x && hdfs dfs -put lines "$4" || exit
hadoop jar "$3"/share/hadoop/tools/lib/hadoop-streaming-*.jar -D mapreduce.job.reduces=0 -D mapreduce.map.maxattempts=1 \\
    {options} -input "$4" -output "$5" -mapper "sh -c '{mapper}'" || exit
"""
TEXT = "a Grüße text.txt"  # the name of an input, for gateways whose sessions have no locale
WORDS = ["foo", "bar", "foobar", "a b", "$x", "it's", "Grüße", "x\ty", "baz", "end.", '"said"', "c:\\d"]
ALL_AT_ONCE = r"""a b|[$]x|it's|Gr[üa]ße|foo(?:bar)?|"[a-z]*"|:\\d|end\."""
GET = 'hdfs dfs -cat "$5/part-00000" >"$2/answer"\n'


def job(mapper: str, options: str = "") -> str:
    """The part of a main.sh that runs a job whose mapper is a shell command."""
    return JOB.format(mapper=mapper, options=options)


def hadoop_compute(gateway: SSHD, **settings: Any) -> HadoopCompute:
    """The cluster behind a gateway."""
    access: dict[str, Any] = {
        "host": f"{gateway.user}@{gateway.address}:{gateway.port}",
        "private_key_file": str(gateway.private_key),
        "use_agent": False,
        "host_keys": [gateway.host_key_line],
        "hadoop_home": str(HOME),
        "spark_home": str(HOME / "spark/home"),
    }
    return HadoopCompute(**{**access, **settings})


def texts(folder: Path, *lines: str) -> LocalStorage:
    """An input with one start point that has one file."""
    (folder / "texts").mkdir(parents=True)
    (folder / "texts" / TEXT).write_text("".join(f"{line}\n" for line in lines))
    return LocalStorage(path=str(folder))


def book(folder: Path, size: int) -> tuple[LocalStorage, str]:
    """A text of so many bytes, as an input, and the text."""
    chance = random.Random(5)
    text = "".join(" ".join(chance.choices(WORDS, k=12)) + "\n" for _ in range(2000))
    text = text * (size // len(text.encode()) + 1)
    storage = texts(folder)
    (folder / "texts" / TEXT).write_text(text)
    return storage, text


def left_in(hadoop: Hadoop, gateway: SSHD, seconds: float = 60.0) -> list[str]:
    """What is still there of runs: in HDFS, in YARN, on the gateway; after giving what has been told to end the time for it."""
    deadline = time.monotonic() + seconds
    while (left := _found(hadoop, gateway)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _found(hadoop: Hadoop, gateway: SSHD) -> list[str]:
    running = hadoop.applications(states="NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING")
    home = f"/user/{gateway.user}"
    there = hadoop.files(home)
    return [
        *(f"application {each['id']}" for each in running),
        *(f"{home}/{name}" for name in there if name != "chiminey"),
        *(f"{home}/chiminey/{name}" for name in (hadoop.files(f"{home}/chiminey") if "chiminey" in there else [])),
        *(path.name for path in (gateway.home / ".chiminey").glob("*")),
        *gateway.processes(),
    ]
