"""Files to a host and back, beside what people type: ``tar | ssh`` and ``scp``, with the same cipher."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import peers
from benchmarks.table import Row, best
from blocks.host_session import HostSession
from blocks.selection import Selection
from blocks.storage import LocalStorage
from blocks.tree import walk
from blocks.work import Batch, TaskOrder
from tests.engine import unix
from tests.servers.sshd import SSHD

BATCH = "output"
PROGRAM = 'cp -R ../../../payload/. "$2"\n'  # what was sent becomes the output that is fetched


def rows(host: SSHD, folder: Path, small: int, large: int) -> Iterator[Row]:
    """Many small files, and one large one."""
    folder.mkdir()
    for work, source in make_files(folder, small, large).items():
        yield from _there_and_back(host, work, source, folder)


def make_files(folder: Path, small: int, large: int) -> dict[str, Path]:
    """A folder of so many files of 4 KB, and one with a file of so many bytes, by what they are called in the table."""
    many, one = folder / "small", folder / "large"
    for place in (many, one):
        place.mkdir()
    for number in range(small):
        (many / f"{number}").write_bytes(secrets.token_bytes(4096))
    with (one / "file").open("wb") as target:
        for _ in range(large // 1_000_000):
            target.write(secrets.token_bytes(1_000_000))
    return {f"{small:,} files of 4 KB": many, f"one file of {large / 1e9:g} GB": one}


def _there_and_back(host: SSHD, what: str, source: Path, folder: Path) -> Iterator[Row]:
    compute = unix(host)
    session = compute.open(compute.hosts_for(1)[0], "bench")
    session.probe()
    there = lambda: session.deliver(entry.under("payload") for entry in walk(source))  # noqa: E731
    for name, peer in (("tar | ssh", peers.tar_there), ("scp -r", peers.scp_there)):
        ours, theirs = best(there, lambda peer=peer: peer(host, source))
        yield Row(f"{what} to a host", ours, f"{name}, same cipher", theirs, 1.0)
    make_output(session)
    back = LocalStorage(path=str(folder / "back"))

    def fetch() -> None:
        back.remove("0")
        back.collect("", (entry.under(str(task)) for task, entry in session.fetch(BATCH, [0], Selection())))

    for name, peer in (("tar | ssh", peers.tar_back), ("scp -r", peers.scp_back)):
        ours, theirs = best(fetch, lambda peer=peer: peer(host, folder / "theirs"))
        yield Row(f"{what} back", ours, f"{name}, same cipher", theirs, 1.0)
    assert sum(1 for _ in walk(folder / "back" / "0" / "output")) == sum(1 for _ in walk(source))
    session.clean()
    session.close()
    for place in ("back", "theirs"):
        shutil.rmtree(folder / place)


def make_output(session: HostSession) -> None:
    """Let what was delivered as the payload become the output of task 0."""
    session.submit(Batch(BATCH, 0, (TaskOrder(0, 1, -1, program=PROGRAM),)), 1)
    while not (status := session.status([BATCH])[0]).ends:
        time.sleep(0.1)
    assert status.ends[0].exit_code == 0
