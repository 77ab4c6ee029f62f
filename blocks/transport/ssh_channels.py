"""The channels of one SSH connection: how many its server allows at once, and how one is asked for and let go."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic, sleep

import paramiko

from blocks.countdown import Countdown
from blocks.errors import ChannelRefused, Unreachable
from blocks.transport.ssh_connection import PATIENCE

CHANNELS = 4  # open at once: more are refused by common servers while closed ones linger there
LINGERING = 2.0  # seconds in which a server may still count a channel that was closed
_CHANNEL_REQUEST = b"\x62"  # SSH_MSG_CHANNEL_REQUEST, RFC 4254 section 5.4


def request(channel: paramiko.Channel, kind: str, argument: str) -> None:
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


def let_go(channel: paramiko.Channel) -> None:
    """Close it, whatever became of its connection."""
    with suppress(EOFError, OSError):  # the connection is gone, and the channel with it
        channel.close()


class Channels:
    """The channels open on one connection, and how many its server allows at once, as far as is known."""

    def __init__(self) -> None:
        self._limit = CHANNELS
        self._open = list[paramiko.Channel]()
        self._opening = 0
        self._closed = 0
        self._last_seen_open = 0.0
        self._changing = threading.Lock()

    def open(self, transport: paramiko.Transport, name: str) -> paramiko.Channel:
        """A new session channel, waiting a little for another to be closed where there are as many as allowed.

        Raises:
            ChannelRefused: there are as many as allowed, and none was closed.
            Unreachable: the connection broke, or the server does not answer.
        """
        patience, closed = Countdown(PATIENCE), self._closed
        while True:
            if self._reserve() and (channel := self._open_reserved(transport, name)):
                return channel
            if self._closed != closed:  # by others of us, who may have been quicker to open the next
                patience.renew()
                closed = self._closed
            if not patience.left or not self._may_change():
                raise ChannelRefused(f"{name} allows no further session on its connection; please raise its MaxSessions.")
            sleep(0.02)

    def _reserve(self) -> bool:
        with self._changing:
            if self._open:
                self._last_seen_open = monotonic()
            still_open = [channel for channel in self._open if not channel.closed]
            self._closed += len(self._open) - len(still_open)
            self._open = still_open
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
