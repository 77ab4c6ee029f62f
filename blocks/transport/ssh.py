"""Scripts on a host over SSH: one connection, shared by threads, opened when it is first needed and again after it broke."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic, sleep

import paramiko

from blocks.errors import ChannelRefused, ResourceError, Unreachable
from blocks.transport.greeted import TAIL, GreetedStream
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_config import route
from blocks.transport.ssh_connection import PATIENCE, WINDOW, Connection, connect
from blocks.transport.transport import COMMAND, Stream, Transport, encode
from blocks.tree import BLOCK

CHANNELS = 4  # open at once: more are refused by common servers while closed ones linger there
LINGERING = 2.0  # seconds in which a server may still count a channel that was closed
_CHANNEL_REQUEST = b"\x62"  # SSH_MSG_CHANNEL_REQUEST, RFC 4254 section 5.4
_GLANCE = 0.2  # seconds between looks at standard error, which must never fill the window


class SSHTransport(Transport):
    """A host reached over SSH, at ``[user@]host[:port]`` or an alias of the SSH configuration file.

    ``silence`` is the number of seconds without a byte after which a running script counts as lost. A server that does
    not answer is asked once: whoever asks again decides when.
    """

    def __init__(self, destination: str, access: SSHAccess, silence: float = 30.0) -> None:
        self.name = destination
        self._access = access
        self._silence = silence
        self._connecting = threading.Lock()
        self._attempts: int = 0
        self._failure: ResourceError | None = None
        self._connection: Connection | None = None
        self._channels = _Channels()

    def open(self, script: str) -> Stream:
        self.round_trips += 1
        channel = self._channel()
        stream = _SSHStream(channel, self.name, self._silence)
        try:
            _request(channel, "exec", COMMAND)
            stream.write(encode(script))
        except Unreachable:
            stream.close()
            raise
        except (EOFError, OSError) as error:
            raise Unreachable(f"The connection to {self.name} broke; please try again.") from error
        return stream

    def sftp(self) -> paramiko.SFTPClient:
        """An SFTP client on a channel of the same connection; closing it closes only that.

        Raises:
            Unreachable: no connection, or the host has no SFTP; and what ``open`` raises.
        """
        self.round_trips += 1
        channel = self._channel()
        channel.settimeout(self._silence)
        try:
            _request(channel, "subsystem", "sftp")
            return paramiko.SFTPClient(channel)
        except (paramiko.SSHException, EOFError, OSError) as error:
            _let_go(channel)
            raise Unreachable(f"{self.name} offers no SFTP; please use a storage resource of another kind.") from error

    def close(self) -> None:
        with self._connecting:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _channel(self) -> paramiko.Channel:
        standing = self._connection
        connection = self._connected()
        try:
            return self._channels.open(connection.transport, self.name)
        except ChannelRefused:
            raise
        except Unreachable:
            connection.close()
            if connection is not standing:
                raise
        return self._channels.open(
            self._connected().transport, self.name
        )  # a loss that shows itself only now is no failed attempt

    def _connected(self) -> Connection:
        seen = self._attempts
        with self._connecting:
            if self._connection is not None and self._connection.is_alive():
                return self._connection
            if self._failure is not None and self._attempts != seen:
                raise self._failure  # another thread has just tried, while this one waited for it
            self._attempts += 1
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            try:
                self._connection, self._failure = connect(route(self.name, self._access), self._access), None
            except ResourceError as error:
                self._failure = error
                raise
            self._channels = _Channels()
            return self._connection


def _request(channel: paramiko.Channel, kind: str, argument: str) -> None:
    """Ask for a command or subsystem, and leave the answer: paramiko's own way waits for it without end if the host hangs.

    A refusal closes the channel, which whoever reads from it notices.
    """
    message, transport = paramiko.Message(), channel.get_transport()
    message.add_byte(_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string(kind)
    message.add_boolean(True)
    message.add_string(argument)
    transport._send_user_message(message)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] -- not in the stubs


def _let_go(channel: paramiko.Channel) -> None:
    with suppress(EOFError, OSError):  # the connection is gone, and the channel with it
        channel.close()


class _Channels:
    """The channels open on one connection, and how many its server allows at once, as far as is known."""

    def __init__(self) -> None:
        self._limit = CHANNELS
        self._open = list[paramiko.Channel]()
        self._opening = 0
        self._last_seen_open = 0.0
        self._changing = threading.Lock()

    def open(self, transport: paramiko.Transport, name: str) -> paramiko.Channel:
        """A new session channel, waiting a little for another to be closed where there are as many as allowed.

        Raises:
            ChannelRefused: there are as many as allowed, and none was closed.
            Unreachable: the connection broke, or the server does not answer.
        """
        deadline = monotonic() + PATIENCE
        while True:
            if self._reserve() and (channel := self._open_reserved(transport, name)):
                return channel
            if monotonic() > deadline or not self._may_change():
                raise ChannelRefused(f"{name} allows no further session on its connection; please raise its MaxSessions.")
            sleep(0.02)

    def _reserve(self) -> bool:
        with self._changing:
            if self._open:
                self._last_seen_open = monotonic()
            self._open = [channel for channel in self._open if not channel.closed]
            if len(self._open) + self._opening >= self._limit:
                return False
            self._opening += 1
            return True

    def _open_reserved(self, transport: paramiko.Transport, name: str) -> paramiko.Channel | None:
        """The channel, or None if the server refuses it. Others may be opened meanwhile: each takes a round trip."""
        channel = None
        try:
            channel = transport.open_session(timeout=PATIENCE)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not transport.is_active() or "timeout" in str(error).lower():
                raise Unreachable(f"The connection to {name} broke; please try again.") from error
        finally:
            with self._changing:
                self._opening -= 1
                if channel is None:
                    self._limit = max(1, len(self._open) + self._opening)
                else:
                    self._open.append(channel)
        return channel

    def _may_change(self) -> bool:
        """Whether a refusal may be over soon: one of ours is open, or was a moment ago and is still counted there."""
        with self._changing:
            return bool(self._open or self._opening) or monotonic() - self._last_seen_open < LINGERING


class _SSHStream(GreetedStream):
    """A script on a session channel. Closing it closes its pipes; the server ends what does not heed that as it sees fit."""

    def __init__(self, channel: paramiko.Channel, name: str, silence: float) -> None:
        super().__init__(name, silence)
        self._channel = channel
        self._patience = silence
        self._errors = bytearray()

    def write(self, data: bytes) -> None:
        left, deadline = memoryview(data), monotonic() + self._patience
        while left:
            try:
                sent = self._send(left)
            except OSError:  # closed, by either side
                sent = 0
            except EOFError as error:
                raise self._broken() from error
            if not sent and self._channel.exit_status_ready():
                self._check_ended()
                return
            if sent:
                left, deadline = left[sent:], monotonic() + self._patience
            elif monotonic() > deadline:
                raise Unreachable(f"{self._name} took no input for {self._patience:g} seconds; it may be down or overloaded.")

    def _send(self, data: memoryview) -> int:
        """Send what the window takes; while it takes nothing, keep the output that comes."""
        self._channel.settimeout(_GLANCE)
        try:
            return self._channel.send(data)  # pyright: ignore[reportArgumentType] -- it takes any buffer
        except TimeoutError:
            self._drain_errors()
            while self._channel.recv_ready():
                self._keep(self._channel.recv(BLOCK))
            return 0

    def end_input(self) -> None:
        try:
            self._channel.shutdown_write()
        except EOFError as error:
            raise self._broken() from error
        except OSError:
            self._check_ended()

    def _receive(self, size: int, seconds: float | None) -> bytes | None:
        deadline = monotonic() + (self._patience if seconds is None else seconds)
        while True:
            self._channel.settimeout(min(_GLANCE, max(0.0, deadline - monotonic())))
            try:
                self._drain_errors()
                block = self._channel.recv(max(size, WINDOW))  # all there is: paramiko would move the rest for each part of it
            except TimeoutError:
                if monotonic() >= deadline:
                    return None
            except (EOFError, OSError) as error:
                raise self._broken() from error
            else:
                if not block:
                    self._check_ended()
                return block

    def _drain_errors(self) -> None:
        while self._channel.recv_stderr_ready():
            self._errors += self._channel.recv_stderr(BLOCK)
        del self._errors[:-TAIL]

    def _check_ended(self) -> None:
        """The end of the output is the end of the script only once the server has said how it ended."""
        self._channel.status_event.wait(self._patience)
        if self._channel.exit_status < 0:
            raise self._broken()

    def _broken(self) -> Unreachable:
        return Unreachable(f"The connection to {self._name} broke, or its script was killed, before it ended; please try again.")

    def _finish(self) -> tuple[int, str]:
        self._drain_errors()
        return self._channel.recv_exit_status(), self._errors.decode("utf-8", "replace")

    def close(self) -> None:
        _let_go(self._channel)
