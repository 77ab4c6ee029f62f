"""A session on a host that runs tasks under ``runner.sh``: the remote protocol, over any transport."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from shlex import quote

from blocks.countdown import Countdown
from blocks.errors import ChannelRefused, CommandFailed, Unreachable
from blocks.host_session import HostFacts, HostSession, Watch
from blocks.remote import listening, scripts
from blocks.remote.downloads import FETCH, Downloads
from blocks.remote.ends import parse_end, parse_status
from blocks.remote.held import PUT_BACK, hold
from blocks.remote.left_behind import removal
from blocks.remote.machine import heed
from blocks.remote.outputs import fetch
from blocks.selection import Selection
from blocks.transport.transport import Stream, Transport
from blocks.tree import Entry, file, folder, pack, unpack
from blocks.work import ARGUMENTS, INPUT, OUTPUT, Batch, BatchStatus, TaskEnd, TaskOrder

SILENCE_SECONDS = 20.0  # a host that tells ends says at least a dot each second
RESERVE = b"\n" * 16384  # bytes kept on a host's disk, to be able to say that it is full


class RunnerSession(HostSession):
    """One run on one host."""

    def __init__(self, transport: Transport, run: str, scratch: str) -> None:
        self._transport = transport
        self._run = run
        self._scratch = scratch
        self._watch: RunnerWatch | None = None
        self._allows_second_channel = True  # beside the one that listens

    def probe(self) -> HostFacts:
        lines = self.ask(scripts.probe(self._scratch)).decode("utf-8", "replace").splitlines()
        try:
            path, processors, free, system = lines[-4:]
            return HostFacts(path, int(processors), int(free) * 1024, system, slots=int(processors))
        except ValueError as error:
            raise CommandFailed(
                f"{self._transport.name}: its shell gave an answer that can't be understood: {lines[-4:]}"
            ) from error

    def deliver(self, tree: Iterable[Entry]) -> str:
        downloads = Downloads()
        parts = ([file("runner.sh", scripts.RUNNER)], downloads.without(tree), downloads.listed())
        delivery = secrets.token_hex(5)
        trouble = " ".join(self.ask(scripts.deliver(self._scratch, self._run, delivery, FETCH), whole(*parts)).decode().split())
        if trouble:
            self.ask(scripts.deliver(self._scratch, self._run, delivery), whole(downloads.entries))
        return trouble

    def submit(self, batch: Batch, slots: int) -> None:
        script = scripts.submit(self._scratch, self._run, batch.id, slots, batch.time_limit)
        tasks = (entry for task in batch.tasks for entry in task_files(task, batch.program))
        self.ask_here(script, whole(batch_files(batch), tasks))

    def status(self, batches: list[str]) -> list[BatchStatus]:
        return parse_status(self.ask_here(scripts.status(self._scratch, self._run, batches)))

    def fence(self, batches: list[str]) -> list[BatchStatus]:
        return parse_status(self.ask_here(scripts.status(self._scratch, self._run, batches, fence=True)))

    def watch(self) -> Watch | None:
        if not self._allows_second_channel:
            return None
        self._watch = RunnerWatch(self.open(listening.watch(self._scratch, self._run)))
        return self._watch

    def fetch(self, batch: str, tasks: Iterable[int], selection: Selection, apart: int = 0) -> Iterator[tuple[int, Entry]]:
        chosen = list(tasks)
        if apart:
            yield from hold(self, scripts.at(self._scratch, self._run, "batches", batch), chosen, apart, removal(selection))
            script = fetch(self._scratch, self._run, batch)
        else:
            script = fetch(self._scratch, self._run, batch, PUT_BACK, removal(selection))
        stream = self.open(script)
        try:
            stream.write("".join(f"{task}\n" for task in chosen).encode())
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
        stream = self.open(listening.tail(self._scratch, self._run, batch, task, name))
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
        self.ask_here(scripts.clean(self._scratch, self._run))

    def close(self) -> None:
        self._stop_watching()
        self._transport.close()

    @property
    def round_trips(self) -> int:
        return self._transport.round_trips

    def ask(self, script: str, data: Iterable[bytes] = ()) -> bytes:
        """What a script answers; where the host allows one channel only, it is the one that listened so far."""
        try:
            return self._transport.run(script, data)
        except ChannelRefused:
            if self._watch is None:
                raise
        self._listen_no_more()
        return self._transport.run(script, data)  # nothing of data was read: the refusal comes before the first byte

    def ask_here(self, script: str, data: Iterable[bytes] = ()) -> bytes:
        """The same for a script about processes. If they are on another machine, the next connection may lead there."""
        answer = self.ask(script, data)
        try:
            heed(answer, self._transport.name)
        except Unreachable:
            self._transport.close()
            raise
        return answer

    def open(self, script: str) -> Stream:
        """The same for a script that is to be fed or listened to."""
        try:
            return self._transport.open(script)
        except ChannelRefused:
            if self._watch is None:
                raise
        self._listen_no_more()
        return self._transport.open(script)

    def _listen_no_more(self) -> None:
        """The host allows one channel only: give up the one that listens, and be polled from now on."""
        self._allows_second_channel = False
        self._stop_watching()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None


class RunnerWatch(Watch):
    """The lines of ``listening.watch`` as they come."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rest = b""
        self._patience = Countdown(SILENCE_SECONDS)
        stream.end_input()

    def ends(self, seconds: float) -> list[TaskEnd]:
        deadline = time.monotonic() + seconds
        ends: list[TaskEnd] = []
        while not ends and not self.closed and self._stream.poll(max(0.0, deadline - time.monotonic())):
            data = self._stream.read(64 * 1024)
            if not data:
                raise Unreachable("the host stopped telling how its tasks end")
            self._patience.renew()
            *lines, self._rest = (self._rest + data).split(b"\n")
            ends = [end for line in lines if (end := parse_end(line.decode("ascii", "replace"))) is not None]
        if not self._patience.left:
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
        yield file(f"{name}/{ARGUMENTS}", f'set -- "$@" {words}\n'.encode())
    if task.program:
        yield file(f"{name}/main.sh", task.program.encode())


def _renamed(entry: Entry, path: str) -> Entry:
    path = "output" + path.removeprefix(OUTPUT) if path.startswith(OUTPUT) else path
    return entry.at(path)
