"""Files between this machine, a host and the storages that are elsewhere, beside what people type."""

from __future__ import annotations

import multiprocessing
import re
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from benchmarks import peers, s3
from benchmarks.staging import BATCH, make_files, make_output
from benchmarks.table import Row, seconds
from blocks.compute import UnixCompute
from blocks.host_file import SMALLEST
from blocks.host_session import HostSession
from blocks.selection import Selection
from blocks.storage import LocalStorage, SFTPStorage, StorageResource
from blocks.tree import walk
from tests.engine import unix
from tests.servers.sshd import SSHD
from tests.ssh.access import access_to, destination

MEMORY = 300.0  # MB that a controller may take, whatever the files
RUN = "bench"
TIMES = 2

Act = Callable[[], None]


def rows(host: SSHD, folder: Path, small: int, large: int) -> Iterator[Row]:
    """Many small files, and one large one."""
    folder.mkdir()
    programs = s3.install(folder / "programs")
    for work, source in make_files(folder, small, large).items():
        with s3.fast(programs) as server:
            yield from _with_s3(server, source, work)
        yield from _with_sftp(host, source, work)
        with _output(host, source) as compute:
            with s3.fast(programs) as server:
                yield from _from_a_host(host, compute, server, source, f"{work} host to S3", direct=False)
            if (source / "file").exists():
                with s3.signing(programs, folder / "moto") as server:
                    yield from _from_a_host(host, compute, server, source, f"{work} direct to S3", direct=True)


def _with_s3(server: s3.S3, source: Path, work: str) -> Iterator[Row]:
    theirs = f"s3://{s3.THEIRS}/{source.name}"
    there = partial(server.aws, "cp", "--recursive", source, theirs)
    back = partial(server.aws, "cp", "--recursive", theirs, source.parent / "theirs")
    yield from _there_and_back(server.storage(), "S3", source, work, {"aws s3 cp --recursive": (there, back)})
    server.aws("rm", "--recursive", theirs)


def _with_sftp(host: SSHD, source: Path, work: str) -> Iterator[Row]:
    storage = SFTPStorage(host=destination(host), path="storage", **access_to(host).model_dump())
    home = source.parent / "theirs"
    by_hand: dict[str, tuple[Act, Act]] = {
        "tar | ssh, same cipher": (partial(peers.tar_there, host, source), partial(peers.tar_back, host, home)),
        "scp -r, same cipher": (partial(peers.scp_there, host, source), partial(peers.scp_back, host, home)),
    }
    yield from _there_and_back(storage, "SFTP", source, work, by_hand)


def _there_and_back(
    storage: StorageResource, kind: str, source: Path, work: str, by_hand: Mapping[str, tuple[Act, Act]]
) -> Iterator[Row]:
    here, home = LocalStorage(path=str(source.parent)), LocalStorage(path=str(source.parent / "back"))
    theirs = source.parent / "theirs"

    def make_room() -> None:
        shutil.rmtree(theirs, ignore_errors=True)
        home.remove(source.name)

    there, back = partial(_copy, here, storage, source.name), partial(_copy, storage, home, source.name)
    for name, (peer, _) in by_hand.items():
        yield Row(f"{work} to {kind}", *_best(partial(storage.remove, source.name), there, peer, name), 1.0)
    storage.remove(source.name)
    yield _memory(f"{work} to {kind}", storage, there)
    for name, (_, peer) in by_hand.items():
        yield Row(f"{work} back from {kind}", *_best(make_room, back, peer, name), 1.0)
    make_room()
    yield _memory(f"{work} back from {kind}", storage, back)
    subprocess.run(["diff", "-r", source, source.parent / "back" / source.name], check=True)
    make_room()
    storage.remove(source.name)
    storage.close()


def _copy(source: StorageResource, target: StorageResource, name: str) -> None:
    target.store(name, source.tree(name))


def _best(make_room: Act, ours: Act, theirs: Act, name: str) -> tuple[float, str, float]:
    """The shortest times of both, done in turn; what the last time has left is removed before, and not counted."""
    pairs: list[tuple[float, float]] = []
    for _ in range(TIMES):
        make_room()
        pairs.append((seconds(ours), seconds(theirs)))
    return min(fast for fast, _ in pairs), name, min(floor for _, floor in pairs)


@contextmanager
def _output(host: SSHD, source: Path) -> Generator[UnixCompute]:
    """A host with these files as the output of a task, and once more for those that fetch them by hand."""
    compute = unix(host)
    session = _session(compute)
    session.deliver(entry.under("payload") for entry in walk(source))
    make_output(session)
    peers.tar_there(host, source)
    session.close()
    yield compute
    session = _session(compute)
    session.clean()
    session.close()


def _from_a_host(host: SSHD, compute: UnixCompute, server: s3.S3, source: Path, work: str, *, direct: bool) -> Iterator[Row]:
    storage = server.storage(direct=direct)
    between = source.parent / "between"

    def in_a_stream() -> None:
        with subprocess.Popen([*peers.ssh(host), "cat t/file"], stdout=subprocess.PIPE) as sender:
            server.aws("cp", "-", f"s3://{s3.THEIRS}/file", stdin=sender.stdout)

    def by_way_of_the_disk() -> None:
        peers.tar_back(host, between)
        server.aws("cp", "--recursive", between, f"s3://{s3.THEIRS}/between")

    peer, name = (
        (in_a_stream, "ssh cat | aws s3 cp -") if (source / "file").exists() else (by_way_of_the_disk, "ssh tar, aws s3 cp")
    )
    bring, make_room = partial(_bring, compute, storage), partial(storage.remove, "0")
    yield Row(work, *_best(make_room, bring, peer, name), 1.0)
    shutil.rmtree(between, ignore_errors=True)
    make_room()
    yield _memory(work, storage, bring)
    storage.close()


def _session(compute: UnixCompute) -> HostSession:
    session = compute.open(compute.hosts_for(1)[0], RUN)
    session.probe()
    return session


def _bring(compute: UnixCompute, storage: StorageResource) -> None:
    """What the task left, to the storage: connecting included, as it is with what people type."""
    session = _session(compute)
    apart = SMALLEST if storage.takes_from_hosts else 0
    fetched = session.fetch(BATCH, [0], Selection(), apart)
    storage.collect("", (entry.under(str(task)) for task, entry in fetched if entry.kind == "file"))
    session.close()


def _memory(work: str, storage: StorageResource, act: Act) -> Row:
    """The most that a process of its own takes for it."""
    storage.close()  # a connection can't be handed on
    spawn = multiprocessing.get_context("spawn")
    told = spawn.SimpleQueue()
    process = spawn.Process(target=_weigh, args=(act, told))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work} failed in a process of its own")
    return Row(f"memory, {work}", told.get(), "what it may take", MEMORY, 1.0, "MB")


def _weigh(act: Act, told: SimpleQueue[float]) -> None:
    act()
    # Not what wait4 tells of a child: that counts the memory of the process that made it, too.
    told.put(int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024)
