"""The way to a host: its address, user and jump hosts, from what the user wrote and from OpenSSH's configuration file."""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass
from pathlib import Path

import paramiko

from blocks.errors import InvalidRequest
from blocks.transport.ssh_access import SSHAccess

DEFAULT_CONFIG = "~/.ssh/config"
DEFAULT_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_DESTINATION = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?:\[(?P<bracketed>[^]]+)\]|(?P<host>[^:@/\s]+))(?::(?P<port>\d{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One SSH server on the way to a host, the host itself being the last."""

    host: str
    port: int
    username: str
    identity_files: tuple[str, ...]  # named by the configuration file; some may not exist
    known_hosts: tuple[str, ...]

    @property
    def address(self) -> str:
        """The host as known_hosts writes it."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


def route(destination: str, access: SSHAccess) -> list[Hop]:
    """The servers to log in to, one through the other, the destination last.

    Raises:
        InvalidRequest: the destination or a jump host is not written as ``[user@]host[:port]``, or the configuration file
            is missing, unreadable or asks for a ProxyCommand.
    """
    return _route(destination, access.jump_hosts, _Directory(access), frozenset())


def _route(destination: str, jumps: list[str], directory: _Directory, passed: frozenset[str]) -> list[Hop]:
    hop, configured = directory.find(destination, explicit_user=not passed)
    if hop.address in passed:  # a "Host *" with ProxyJump also holds for the jump host itself
        return []
    jumps = jumps or configured
    if not jumps:
        return [hop]
    first = _route(jumps[0], [], directory, passed | {hop.address})
    return [*first, *(directory.find(jump, explicit_user=False)[0] for jump in jumps[1:]), hop]


class _Directory:
    """Destinations looked up with the settings of one access."""

    def __init__(self, access: SSHAccess) -> None:
        self._access = access
        self._config = _read(access.config_file)

    def find(self, destination: str, *, explicit_user: bool) -> tuple[Hop, list[str]]:
        """The server that a destination means, and the jump hosts that the configuration file asks for.

        The access's user name goes before the configuration's for the destination (``explicit_user``), after it for jump hosts.
        """
        user, alias, port = parse(destination)
        settings = self._config.lookup(alias)
        if settings.get("proxycommand", "none") != "none":
            raise InvalidRequest(f"The SSH configuration reaches {alias} with ProxyCommand; please write it as ProxyJump.")
        own, configured = self._access.username, settings.get("user")
        by_default = own or configured if explicit_user else configured or own
        files = [self._access.known_hosts] if self._access.known_hosts else settings.get("userknownhostsfile", "").split()
        hop = Hop(
            host=settings["hostname"],
            port=port or int(settings.get("port", 22)),
            username=user or by_default or getpass.getuser(),
            identity_files=tuple(settings.get("identityfile", [])),
            known_hosts=tuple(files) or DEFAULT_KNOWN_HOSTS,
        )
        jumps = settings.get("proxyjump", "none")
        return hop, [] if jumps == "none" else [jump.strip() for jump in jumps.split(",")]


def parse(destination: str) -> tuple[str | None, str, int | None]:
    """User, host and port of ``[user@]host[:port]``; an IPv6 address with a port stands in brackets.

    Raises:
        InvalidRequest: it is written otherwise.
    """
    if destination.count(":") > 1 and "[" not in destination and "//" not in destination:
        user, _, host = destination.rpartition("@")
        return user or None, host, None
    match = _DESTINATION.fullmatch(destination)
    if match is None or int(match["port"] or 22) not in range(1, 65536) or destination.startswith("-"):
        raise InvalidRequest(f"{destination!r} is not a host; please write it as host, user@host or user@host:port.")
    return match["user"], match["bracketed"] or match["host"], int(match["port"]) if match["port"] else None


def _read(config_file: str | None) -> paramiko.SSHConfig:
    path = Path(config_file or DEFAULT_CONFIG).expanduser()
    try:
        return paramiko.SSHConfig.from_path(str(path))
    except FileNotFoundError as error:
        if config_file is None:
            return paramiko.SSHConfig()
        raise InvalidRequest(f"The SSH configuration file {path} does not exist; please correct its path.") from error
    except (OSError, UnicodeDecodeError, paramiko.ConfigParseError) as error:
        raise InvalidRequest(f"The SSH configuration file {path} can't be read ({error}).") from error
