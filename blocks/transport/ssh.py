"""Scripts on a host over SSH: one connection, shared by threads, opened when it is first needed and again after it broke."""

from __future__ import annotations

import threading

import paramiko

from blocks.errors import ChannelRefused, ResourceError, Unreachable
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_channels import Channels, let_go, request
from blocks.transport.ssh_config import route
from blocks.transport.ssh_connection import Connection, connect
from blocks.transport.ssh_stream import SSHStream
from blocks.transport.transport import COMMAND, Stream, Transport, encode


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
        self._channels = Channels()

    def open(self, script: str) -> Stream:
        self.round_trips += 1
        channel = self._channel()
        stream = SSHStream(channel, self.name, self._silence)
        try:
            request(channel, "exec", COMMAND)
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
            request(channel, "subsystem", "sftp")
            return paramiko.SFTPClient(channel)
        except (paramiko.SSHException, EOFError, OSError) as error:
            let_go(channel)
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
            self._channels = Channels()
            return self._connection
