"""A connection to a host over SSH: sockets, jump hosts, host keys and login, ready for channels to be opened on it."""

from __future__ import annotations

import logging
import os
import random
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import sleep

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from blocks.countdown import Countdown
from blocks.errors import Unreachable
from blocks.transport.authentication import authenticate
from blocks.transport.host_keys import PINNED, KnownKey, check_host_key, pinned_keys, preferred_algorithms, recorded_keys
from blocks.transport.proxy_command import ProxyLine
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_config import Hop

PATIENCE = 10.0  # seconds for each of: connecting, the server's banner, the key exchange, the login
PROXY_PATIENCE = 30.0  # seconds for the banner behind a ProxyCommand, which may have a cloud to ask first
KEEP_ALIVE = 5  # seconds between signs of life on an idle connection
LOST_AFTER = 30.0  # seconds without an acknowledgement after which the kernel gives the connection up
RUSH = 5.0  # seconds in which a server that has too many logins under way is asked again
WINDOW = 4 * 1024 * 1024  # bytes; a larger one makes paramiko's buffer slow
FASTEST_CIPHER = "aes128-gcm@openssh.com"
_LOG = "blocks.transport.ssh_connection.paramiko"
logging.getLogger(_LOG).setLevel(logging.CRITICAL)  # what paramiko would log, our exceptions say


class _TurnedAway(Unreachable):
    """The server hung up before it greeted us, as sshd does where logins under way exceed its ``MaxStartups``."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection: the logged-in transports of every hop, the host's own last."""

    transports: tuple[paramiko.Transport, ...]

    @property
    def transport(self) -> paramiko.Transport:
        """The one that leads to the host."""
        return self.transports[-1]

    def is_alive(self) -> bool:
        """False once it is known to be lost."""
        return all(transport.is_active() for transport in self.transports)

    def close(self) -> None:
        """Hang up, from the host back to the first jump host."""
        for transport in reversed(self.transports):
            transport.close()


def connect(hops: list[Hop], access: SSHAccess) -> Connection:
    """Log in to each server through the one before it.

    Raises:
        Unreachable, HostKeyRefused, AuthenticationRefused: at any of them; none stays connected.
    """
    connection = Connection(())
    try:
        for hop in hops:
            connection = Connection((*connection.transports, _log_in(hop, connection, access, last=hop is hops[-1])))
    except BaseException:
        connection.close()
        raise
    return connection


def _log_in(hop: Hop, before: Connection, access: SSHAccess, *, last: bool) -> paramiko.Transport:
    pinned = pinned_keys(access.host_keys, hop.address, last=last)
    known = pinned or recorded_keys(hop.known_hosts, hop.address)
    place = PINNED if pinned or not hop.known_hosts or hop.known_hosts[0] == os.devnull else hop.known_hosts[0]
    transport, key = _met(hop, before, known)
    try:
        check_host_key(key, known, hop.address, place)
        authenticate(transport, hop, access if last else access.of_gateways, last=last)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(KEEP_ALIVE)
    return transport


def _met(hop: Hop, before: Connection, known: Sequence[KnownKey]) -> tuple[paramiko.Transport, paramiko.PKey]:
    """The server with the key that it shows; asked again for a few seconds, and a few times at least, while it turns us away."""
    countdown = Countdown(RUSH)
    while True:
        try:
            return _met_once(hop, before, known)
        except _TurnedAway:
            if not countdown.left:
                raise
        sleep(random.uniform(0.1, 0.5))


def _met_once(hop: Hop, before: Connection, known: Sequence[KnownKey]) -> tuple[paramiko.Transport, paramiko.PKey]:
    line = _line(hop, before)
    try:
        return _introduced(line, hop, known)
    except Unreachable as error:
        if isinstance(line, ProxyLine) and line.complaint:
            raise Unreachable(f"The ProxyCommand to {hop} did not lead there: {line.complaint}") from error
        raise


def _line(hop: Hop, before: Connection) -> socket.socket | paramiko.Channel:
    if before.transports:
        return _through(before.transport, hop)
    return ProxyLine(hop.proxy_command) if hop.proxy_command else _dial(hop)


def _introduced(
    line: socket.socket | paramiko.Channel, hop: Hop, known: Sequence[KnownKey]
) -> tuple[paramiko.Transport, paramiko.PKey]:
    transport = _start(line, hop)
    try:
        options = transport.get_security_options()
        options.key_types = preferred_algorithms(known, options.key_types)
        options.ciphers = sorted(options.ciphers, key=lambda cipher: cipher != FASTEST_CIPHER)
        return transport, _shake_hands(transport, hop)
    except BaseException:
        transport.close()
        with suppress(EOFError, OSError):
            line.close()  # which the transport's own thread does too, in its own time
        raise


def _dial(hop: Hop) -> socket.socket:
    try:
        line = socket.create_connection((hop.host, hop.port), timeout=PATIENCE)
    except socket.gaierror as error:
        raise Unreachable(f"The name {hop.host} is unknown; please check how it is written, and the network.") from error
    except ConnectionRefusedError as error:
        raise Unreachable(f"{hop} refused the connection; please check that its SSH server is running on this port.") from error
    except TimeoutError as error:
        raise Unreachable(f"{hop} timed out after {PATIENCE:g} seconds; it may be down, or behind a firewall.") from error
    except OSError as error:
        raise Unreachable(f"{hop} can't be reached ({error.strerror or error}); please check the network.") from error
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(AttributeError, OSError):  # not every system has it; then a dead line is only noticed later
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LOST_AFTER * 1000))
    return line


def _through(jump: paramiko.Transport, hop: Hop) -> paramiko.Channel:
    try:
        return jump.open_channel("direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=PATIENCE)
    except paramiko.ChannelException as error:
        raise Unreachable(f"The jump host before {hop} can't reach it ({error.text}); please check its name and port.") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(f"The connection to the jump host before {hop} broke; please try again.") from error


def _start(line: socket.socket | paramiko.Channel, hop: Hop) -> paramiko.Transport:
    try:
        transport = paramiko.Transport(line, default_window_size=WINDOW)
    except (paramiko.SSHException, OSError) as error:
        line.close()
        raise _TurnedAway(f"{hop} hung up at once; please try again.") from error
    transport.set_log_channel(_LOG)
    transport.banner_timeout = PROXY_PATIENCE if isinstance(line, ProxyLine) else PATIENCE
    transport.handshake_timeout = transport.auth_timeout = transport.channel_timeout = PATIENCE
    return transport


def _shake_hands(transport: paramiko.Transport, hop: Hop) -> paramiko.PKey:
    """Agree on keys, and give the server's own, which is not checked yet."""
    try:
        transport.start_client(
            timeout=transport.banner_timeout + PATIENCE
        )  # the time limits of its parts, set before, give better reasons
        return transport.get_remote_server_key()
    except IncompatiblePeer as error:
        raise Unreachable(f"{hop} shares no SSH algorithm with us ({error}); its administrator may allow another.") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        reason = str(error) or "it hung up"
        has_hung_up = not (transport.remote_version or isinstance(error.__context__, TimeoutError))
        kind = _TurnedAway if has_hung_up else Unreachable
        raise kind(f"{hop} did not answer as an SSH server does ({reason}); it may be busy, or the port wrong.") from error
