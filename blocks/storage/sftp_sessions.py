"""Some SFTP sessions on one SSH connection, shared by whoever has something to ask of the server.

A session is lent for one request or a few, and never while foreign code runs (a stream that is read, a caller that thinks):
so any number of readers and writers get on with a handful of sessions, and none waits for another that waits for it.
"""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import paramiko

from blocks.errors import CommandFailed, NotFound, Unreachable
from blocks.transport.ssh import SSHTransport

AT_ONCE = 4  # sessions: servers allow ten channels on a connection, and scripts may need some
AHEAD = 16  # pieces of work that wait or run; with their content, this bounds the memory

_T = TypeVar("_T")


class SFTPSessions:
    """The sessions, opened when they are first needed, and again after the connection broke."""

    def __init__(self, transport: SSHTransport) -> None:
        self._transport = transport
        self._free = threading.Semaphore(AT_ONCE)
        self._idle = list[paramiko.SFTPClient]()

    @property
    def name(self) -> str:
        """The host's name, for messages."""
        return self._transport.name

    @contextmanager
    def borrow(self, path: str) -> Generator[paramiko.SFTPClient]:
        """A session for some requests that are about ``path``.

        Raises:
            NotFound: the server says that there is no such file.
            CommandFailed: it refuses otherwise.
            Unreachable: the connection broke; the next call makes a new one.
        """
        with self._free:
            session = self._session()
            try:
                yield session
            except FileNotFoundError as error:
                raise NotFound(f"{path} is not there on {self.name}; please check the path.") from error
            except PermissionError as error:
                raise CommandFailed(f"{path}: {self.name} gives no permission; please choose a folder of your own.") from error
            except (paramiko.SSHException, EOFError, ConnectionError, TimeoutError) as error:
                self._give_up(session, error)
                raise Unreachable(f"The connection to {self.name} broke at {path}; please try again.") from error
            except OSError as error:
                if _is_closed(session):
                    raise Unreachable(f"The connection to {self.name} broke at {path}; please try again.") from error
                raise CommandFailed(
                    f"{path}: {self.name} refused it ({error}); please look whether its disk or your quota is full, "
                    "whether you may write there, and whether something of the same name is in the way."
                ) from error
            finally:
                if not _is_closed(session):
                    self._idle.append(session)

    def _session(self) -> paramiko.SFTPClient:
        while self._idle:
            session = self._idle.pop()
            if not _is_closed(session):
                return session
        return self._transport.sftp()

    def _give_up(self, session: paramiko.SFTPClient, error: Exception) -> None:
        session.close()
        if isinstance(error, TimeoutError):  # a silent connection looks alive for ever
            self.close()

    @contextmanager
    def team(self) -> Generator["Team"]:
        """Threads that do work at the same time, each piece with a session of its own."""
        team = Team()
        try:
            yield team
        finally:
            team.dismiss()

    def close(self) -> None:
        """End the sessions and the connection."""
        self._idle.clear()
        self._transport.close()


class Team:
    """Pieces of work in other threads, of which a few wait at most; they begin in the order in which they were given."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "sftp")
        self._room = threading.Semaphore(AHEAD)
        self._failure: BaseException | None = None

    def begin(self, work: Callable[[], _T]) -> Future[_T]:
        """Do it soon. Waits while there is too much to do; raises what failed before."""
        self._room.acquire()
        if self._failure is not None:
            self._room.release()
            raise self._failure
        future = self._threads.submit(work)
        future.add_done_callback(self._done)
        return future

    def finish(self) -> None:
        """Wait until everything is done; raises what failed."""
        for _ in range(AHEAD):
            self._room.acquire()
        self._room.release(AHEAD)
        if self._failure is not None:
            raise self._failure

    def dismiss(self) -> None:
        """Leave out what has not begun, and wait for the rest."""
        self._threads.shutdown(cancel_futures=True)

    def _done(self, future: Future[_T]) -> None:
        if not future.cancelled() and self._failure is None:
            self._failure = future.exception()
        self._room.release()


def _is_closed(session: paramiko.SFTPClient) -> bool:
    channel = session.get_channel()
    return channel is None or channel.closed
