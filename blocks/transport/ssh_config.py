"""The way to a host: its address, user and jump hosts, from what the user wrote and from OpenSSH's configuration file."""

from __future__ import annotations

import getpass
import re
import shlex
from dataclasses import dataclass, replace

import paramiko

from blocks.errors import InvalidRequest
from blocks.transport import ssh_config_files
from blocks.transport.ssh_access import SSHAccess

OWN_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_TOKEN = re.compile(r"%(.)")
_HARMLESS = re.compile(r"[\w.:%@+-]*")  # to a shell
_DESTINATION = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?:\[(?P<bracketed>[^]]+)\]|(?P<host>[^:@/\s]+))(?::(?P<port>\d{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One SSH server on the way to a host, the host itself being the last."""

    alias: str  # as the user wrote it
    host: str
    port: int
    username: str
    identity_files: tuple[str, ...]  # named by the configuration file; some may not exist
    certificate_file: str | None
    identity_agent: str | None  # as in OpenSSH's IdentityAgent
    identities_only: bool  # of the agent's keys, only those that are also identity files
    known_hosts: tuple[str, ...]
    known_as: str | None  # the name in the files of known hosts, if not the host's own
    proxy_command: str | None  # heeded for the first server on the way only

    @property
    def address(self) -> str:
        """The host as known_hosts writes it."""
        if self.known_as:
            return self.known_as
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


def route(destination: str, access: SSHAccess) -> list[Hop]:
    """The servers to log in to, one through the other, the destination last.

    Raises:
        InvalidRequest: the destination or a jump host is not written as ``[user@]host[:port]``, or the configuration file
            is missing, or has what can't be read or is not understood.
    """
    first, *others = _route(destination, access.jump_hosts, _Directory(access), frozenset())
    return [replace(first, proxy_command=first.proxy_command and _filled_in(first.proxy_command, first)), *others]


def _route(destination: str, jumps: list[str], directory: _Directory, passed: frozenset[str]) -> list[Hop]:
    hop, configured = directory.find(destination, explicit_user=not passed)
    if str(hop) in passed:  # a "Host *" with ProxyJump also holds for the jump host itself
        return []
    jumps = jumps or configured
    if not jumps:
        return [hop]
    first = _route(jumps[0], [], directory, passed | {str(hop)})
    return [*first, *(directory.find(jump, explicit_user=False)[0] for jump in jumps[1:]), hop]


class _Directory:
    """Destinations looked up with the settings of one access."""

    def __init__(self, access: SSHAccess) -> None:
        self._access = access
        self._config = ssh_config_files.read(access.config_file)

    def find(self, destination: str, *, explicit_user: bool) -> tuple[Hop, list[str]]:
        """The server that a destination means, and the jump hosts that the configuration file asks for.

        The access's user name goes before the configuration's for the destination (``explicit_user``), after it for jump hosts.
        """
        user, alias, port = parse(destination)
        settings = self._settings(alias)
        own, configured = self._access.username, settings.get("user")
        by_default = own or configured if explicit_user else configured or own
        jumps, command = _detour(settings)
        hop = Hop(
            alias=alias,
            host=settings["hostname"],
            port=port or int(settings.get("port", 22)),
            username=user or by_default or getpass.getuser(),
            identity_files=tuple(file for file in settings.get("identityfile", []) if file.lower() != "none"),
            certificate_file=settings.get("certificatefile"),
            identity_agent=settings.get("identityagent"),
            identities_only=settings.get("identitiesonly", "no").lower() == "yes",
            known_hosts=(self._access.known_hosts,) if self._access.known_hosts else _known_hosts(settings),
            known_as=settings.get("hostkeyalias"),
            proxy_command=command,
        )
        return hop, jumps

    def _settings(self, alias: str) -> paramiko.SSHConfigDict:
        try:
            settings = self._config.lookup(alias)
            if "port" in settings:
                settings.as_int("port")
        except (paramiko.SSHException, ValueError, OSError) as error:
            raise InvalidRequest(
                f"What the SSH configuration says of {alias} can't be used ({error}); please correct it."
            ) from error
        return settings


def _known_hosts(settings: paramiko.SSHConfigDict) -> tuple[str, ...]:
    own = settings.get("userknownhostsfile", OWN_KNOWN_HOSTS)
    system = settings.get("globalknownhostsfile", SYSTEM_KNOWN_HOSTS)
    return tuple(file for file in shlex.split(f"{own} {system}") if file.lower() != "none")


def _detour(settings: paramiko.SSHConfigDict) -> tuple[list[str], str | None]:
    """Jump hosts or ProxyCommand, whichever the configuration has first: that one holds, even where it says ``none``."""
    first = next((key for key in settings if key in {"proxyjump", "proxycommand"}), None)
    value = settings[first] if first else None
    if value is None or value.lower() == "none":
        return [], None
    return ([jump.strip() for jump in value.split(",")], None) if first == "proxyjump" else ([], value)


def _filled_in(command: str, hop: Hop) -> str:
    """A ProxyCommand with the values that its tokens stand for."""
    values = {"%": "%", "h": hop.host, "n": hop.alias, "p": str(hop.port), "r": hop.username}

    def value(token: re.Match[str]) -> str:
        found = values.get(token[1])
        if found is None:
            raise InvalidRequest(f"The ProxyCommand to {hop} has {token[0]}; only %h, %n, %p, %r and %% are understood here.")
        if not _HARMLESS.fullmatch(found):
            raise InvalidRequest(f"{found!r} can't be put into the ProxyCommand to {hop}; please correct the name.")
        return found

    return _TOKEN.sub(value, command)


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
