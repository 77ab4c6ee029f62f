"""Some SFTP sessions on one SSH connection, shared by whoever has something to ask of the server.

A session is lent for one request or a few, and never while foreign code runs (a stream that is read, a caller that thinks):
so any number of readers and writers get on with a handful of sessions, and none waits for another that waits for it.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager

import paramiko

from blocks.errors import ChannelRefused, CommandFailed, NotFound, Unreachable
from blocks.patience import Patience, Unreached
from blocks.storage.team import Team
from blocks.transport.ssh import SSHTransport
from blocks.transport.transport import Stream

AT_ONCE = 4  # sessions: servers allow ten channels on a connection, and scripts may need some
AHEAD = 16  # pieces of work that wait or run; with their content, this bounds the memory


class SFTPSessions:
    """The sessions, opened when they are first needed, and again after the connection broke."""

    def __init__(self, transport: SSHTransport) -> None:
        self.patience = Patience()  # with a server that takes no connection
        self._transport = transport
        self._free = threading.Semaphore(AT_ONCE)
        self._idle = list[paramiko.SFTPClient]()
        self._shell_is_free = threading.Lock()
        self.has_shell = True  # as far as is known
        self.takes_marks = True  # that is, permissions and times; as far as is known

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
            AuthenticationRefused, HostKeyRefused: it does not let us in, or is another one.
            Unreachable: there was no connection for as long as there is patience, or it broke; the next call makes a new one.
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
                if is_closed(session):
                    raise Unreachable(f"The connection to {self.name} broke at {path}; please try again.") from error
                raise CommandFailed(
                    f"{path}: {self.name} refused it ({error}); please look whether its disk or your quota is full, "
                    "whether you may write there, and whether something of the same name is in the way."
                ) from error
            finally:
                if not is_closed(session):
                    self._idle.append(session)

    @contextmanager
    def shell(self, script: str) -> Generator[Stream | None]:
        """A script on the server, in the place of one of the sessions; None where there is no shell, or a script is at work."""
        if not self.has_shell or not self._shell_is_free.acquire(blocking=False):
            yield None
            return
        try:
            with self._free:
                stream = self._script(script)
                try:
                    yield stream
                finally:
                    if stream is not None:
                        stream.close()
        finally:
            self._shell_is_free.release()

    def _script(self, script: str) -> Stream | None:
        if len(self._idle) > 1:  # for its channel; the other stays, so that there are surely two
            self._idle.pop().close()
        try:
            return self._transport.open(script)
        except ChannelRefused:
            self.has_shell = False
            return None

    def _session(self) -> paramiko.SFTPClient:
        while self._idle:
            session = self._idle.pop()
            if not is_closed(session):
                return session
        return self.patience(self._opened)

    def _opened(self) -> paramiko.SFTPClient:
        try:
            return self._transport.sftp()
        except Unreachable as error:  # which may be for good, where it has never gone well
            raise Unreached(str(error)) from error

    def _give_up(self, session: paramiko.SFTPClient, error: Exception) -> None:
        session.close()
        if isinstance(error, TimeoutError):  # a silent connection looks alive for ever
            self.close()

    def team(self) -> Team:
        """Threads that do work at the same time, each piece with a session of its own."""
        return Team(AT_ONCE, AHEAD)

    def close(self) -> None:
        """End the sessions and the connection."""
        self._idle.clear()
        self._transport.close()


def is_closed(session: paramiko.SFTPClient) -> bool:
    """Whether the connection of a session is gone."""
    channel = session.get_channel()
    return channel is None or channel.closed
