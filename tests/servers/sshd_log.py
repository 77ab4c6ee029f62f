"""What a log of OpenSSH (LogLevel VERBOSE) tells about its connections.

The lines are those of auth.c, packet.c and sshd.c: https://github.com/openssh/openssh-portable
"""

from __future__ import annotations

import re

SESSIONS_KILLED = "Every session was killed"  # not OpenSSH's: a killed process can't say so itself

_ACCEPTED = re.compile(r"Accepted \S+ for \S+ from (\S+ port \d+)")
_ENDED = re.compile(
    r"(?:Disconnected from|Received disconnect from|Connection closed by|Connection reset by|Closing connection to"
    r"|Read error from|Timeout, client not responding from) .*?(\S+ port \d+)"
)
_ALL_ENDED = re.compile(rf"Server listening on|{SESSIONS_KILLED}")


def logins(log: str) -> int:
    """How many logins succeeded."""
    return len(_ACCEPTED.findall(log))


def most_at_once(log: str) -> int:
    """The largest number of logins that were open at one time."""
    connected: set[str] = set()
    most = 0
    for line in log.splitlines():
        if accepted := _ACCEPTED.match(line):
            connected.add(accepted[1])
        elif ended := _ENDED.match(line):
            connected.discard(ended[1])
        elif _ALL_ENDED.match(line):
            connected.clear()
        most = max(most, len(connected))
    return most
