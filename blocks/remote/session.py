"""A session on a host that runs tasks under ``runner.sh``: the remote protocol, over any transport."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from shlex import quote

from blocks.compute.resource import HostFacts, HostSession, Watch
from blocks.errors import ChannelRefused, CommandFailed, Unreachable
from blocks.remote import scripts
from blocks.transport.transport import Stream, Transport
from blocks.tree import Entry, file, folder, pack, unpack
from blocks.work import INPUT, OUTPUT, Batch, BatchStatus, Cause, TaskEnd, TaskOrder

SILENCE_SECONDS = 20.0  # a host that tells ends says at least a dot each second

_END = re.compile(r"(\S+) (\d+) (\d+|timeout) (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")
RESERVE = b"\n" * 16384  # bytes kept on a host's disk, to be able to say that it is full


class RunnerSession(HostSession):
    """One run on one host."""

    def __init__(self, transport: Transport, run: str, scratch: str) -> None:
        self._transport = transport
        self._run = run
        self._scratch = scratch
        self._watch: RunnerWatch | None = None
        self._told = True  # that is, the host allows a second channel beside the one that listens

    def probe(self) -> HostFacts:
        lines = self._ask(scripts.probe(self._scratch)).decode("utf-8", "replace").splitlines()
        try:
            path, processors, free, shell, system = lines[-5:]
            return HostFacts(path, int(processors), int(free) * 1024, shell, system, slots=int(processors))
        except ValueError as error:
            raise CommandFailed(
                f"{self._transport.name}: its shell gave an answer that can't be understood: {lines[-5:]}"
            ) from error

    def deliver(self, tree: Iterable[Entry]) -> None:
        self._ask(scripts.deliver(self._scratch, self._run), whole([file("runner.sh", scripts.RUNNER)], tree))

    def submit(self, batch: Batch, slots: int) -> None:
        script = scripts.submit(self._scratch, self._run, batch.id, slots, batch.time_limit)
        tasks = (entry for task in batch.tasks for entry in task_files(task, batch.program))
        self._ask(script, whole(batch_files(batch), tasks))

    def status(self, batches: list[str]) -> list[BatchStatus]:
        return _parse_status(self._ask(scripts.status(self._scratch, self._run, batches)))

    def fence(self, batches: list[str]) -> list[BatchStatus]:
        return _parse_status(self._ask(scripts.status(self._scratch, self._run, batches, fence=True)))

    def watch(self) -> Watch | None:
        if not self._told:
            return None
        self._watch = RunnerWatch(self._open(scripts.watch(self._scratch, self._run)))
        return self._watch

    def fetch(self, batch: str, tasks: Iterable[int]) -> Iterator[tuple[int, Entry]]:
        stream = self._open(scripts.fetch(self._scratch, self._run, batch))
        try:
            stream.write("".join(f"{task}\n" for task in tasks).encode())
            stream.end_input()
            for entry in unpack(stream):
                task, _, rest = entry.path.partition("/")
                if rest:
                    yield int(task), _renamed(entry, rest)
            result = stream.wait()
            if result.exit_code:
                raise CommandFailed(f"{self._transport.name}: outputs could not be read: {' '.join(result.errors.split())}")
        finally:
            stream.close()

    def tail(self, batch: str, task: int, name: str) -> Iterator[bytes]:
        stream = self._open(scripts.tail(self._scratch, self._run, batch, task, name))
        try:
            stream.end_input()
            while True:
                while not stream.poll(1.0):
                    yield b""
                data = stream.read(64 * 1024)
                if not data:
                    break
                yield data
            if (result := stream.wait()).exit_code:
                raise CommandFailed(f"{self._transport.name}: task {task} can't be listened to: {result.errors.strip()}")
        finally:
            stream.close()

    def clean(self) -> None:
        self._stop_watching()
        self._ask(scripts.clean(self._scratch, self._run))

    def close(self) -> None:
        self._stop_watching()
        self._transport.close()

    @property
    def round_trips(self) -> int:
        return self._transport.round_trips

    def _ask(self, script: str, data: Iterable[bytes] = ()) -> bytes:
        try:
            return self._transport.run(script, data)
        except ChannelRefused:
            if self._watch is None:
                raise
        self._listen_no_more()
        return self._transport.run(script, data)  # nothing of data was read: the refusal comes before the first byte

    def _open(self, script: str) -> Stream:
        try:
            return self._transport.open(script)
        except ChannelRefused:
            if self._watch is None:
                raise
        self._listen_no_more()
        return self._transport.open(script)

    def _listen_no_more(self) -> None:
        """The host allows one channel only: give up the one that listens, and be polled from now on."""
        self._told = False
        self._stop_watching()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None


class RunnerWatch(Watch):
    """The lines of ``scripts.watch`` as they come."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rest = b""
        self._heard = time.monotonic()
        stream.end_input()

    def ends(self, seconds: float) -> list[TaskEnd]:
        deadline = time.monotonic() + seconds
        ends: list[TaskEnd] = []
        while not ends and not self.closed and self._stream.poll(max(0.0, deadline - time.monotonic())):
            data = self._stream.read(64 * 1024)
            if not data:
                raise Unreachable("the host stopped telling how its tasks end")
            self._heard = time.monotonic()
            *lines, self._rest = (self._rest + data).split(b"\n")
            ends = [end for line in lines if (end := parse_end(line.decode("ascii", "replace"))) is not None]
        if time.monotonic() - self._heard > SILENCE_SECONDS:
            raise Unreachable(f"the host has said nothing for {SILENCE_SECONDS:g} s")
        return ends

    def close(self) -> None:
        self.closed = True
        self._stream.close()


def whole(*parts: Iterable[Entry]) -> Iterator[bytes]:
    """The parts as one tar stream with the member at its end that proves that it arrived whole."""
    return pack(entry for part in (*parts, [file(scripts.COMPLETE, b"")]) for entry in part)


def batch_files(batch: Batch, container: str = "") -> list[Entry]:
    """What the tasks of a batch have in common."""
    environment = {**batch.environment, "CHIMINEY_ITERATION": str(batch.iteration)}
    exports = "".join(f"export {name}={quote(value)}\n" for name, value in environment.items())
    if container:
        exports += f"container={quote(container)}\n"
    lines = (f"{task.id} {task.attempt} {task.start if task.start >= 0 else '-'}\n" for task in batch.tasks)
    return [file("environment", exports.encode()), file("tasks", "".join(lines).encode()), file("reserve", RESERVE)]


def task_files(task: TaskOrder, program: tuple[Entry, ...]) -> Iterator[Entry]:
    """The working folder of a task. Folders that have something in them are made by tar itself."""
    name = str(task.id)
    yield folder(f"{name}/{OUTPUT}")
    if not task.files:
        yield folder(f"{name}/{INPUT}")
    for entry in task.files:
        yield entry.under(f"{name}/{INPUT}")
    for entry in program:
        yield entry.under(name)
    if task.arguments:
        words = " ".join(quote(argument) for argument in task.arguments)
        yield file(f"{name}/arguments", f'set -- "$@" {words}\n'.encode())
    if task.program:
        yield file(f"{name}/main.sh", task.program.encode())


def _renamed(entry: Entry, path: str) -> Entry:
    path = "output" + path.removeprefix(OUTPUT) if path.startswith(OUTPUT) else path
    return Entry(path, entry.kind, entry.mode, entry.modified, entry.size, entry.content, entry.target)


def parse_end(line: str) -> TaskEnd | None:
    """``batch task code started ended``, as the runner tells it; None for a dot, or for a batch that finished."""
    if (told := _END.fullmatch(line)) is None:
        return None
    batch, task, code, started, ended = told.groups()
    exit_code, cause = _code(code)
    return TaskEnd(batch, int(task), exit_code, float(started), float(ended), cause)


def parse_marker(batch: str, marker: str, times: Mapping[tuple[str, int], TaskEnd]) -> TaskEnd:
    """The name of a marker, ``task.code``, with the times that were told beside it."""
    task, _, code = marker.partition(".")
    known = times.get((batch, int(task)))
    exit_code, cause = _code(code)
    return TaskEnd(batch, int(task), exit_code, known.started if known else 0.0, known.ended if known else 0.0, cause)


def _code(text: str) -> tuple[int, Cause | None]:
    return (124, Cause.TIME) if text == "timeout" else (int(text), None)


def _parse_status(output: bytes) -> list[BatchStatus]:
    """The markers decide; the ``ended`` lines only add the times."""
    alive: dict[str, bool] = {}
    claimed: dict[str, set[int]] = {}
    done: dict[str, list[str]] = {}
    times: dict[tuple[str, int], TaskEnd] = {}
    batch = ""
    for line in output.decode("ascii", "replace").splitlines():
        word, _, rest = line.partition(" ")
        if word == "batch":
            batch, _, state = rest.partition(" ")
            alive[batch], claimed[batch], done[batch] = state == "alive", set(), []
        elif word == "claimed":
            claimed[batch].add(int(rest))
        elif word == "done":
            done[batch].append(rest)
        elif (end := parse_end(line)) is not None:
            times[end.batch, end.task] = end
    return [
        BatchStatus(name, alive[name], tuple(parse_marker(name, each, times) for each in done[name]), frozenset(claimed[name]))
        for name in alive
    ]
