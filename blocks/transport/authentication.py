"""Logging in: which keys and passwords are tried on a server, in which order, and what is said when none is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import paramiko

from blocks.errors import AuthenticationRefused, Unreachable
from blocks.transport.host_keys import fingerprint
from blocks.transport.private_keys import private_key
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_config import Hop

DEFAULT_IDENTITY_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_Load = Callable[[], paramiko.PKey]  # only when its turn comes: a key that can't be read need not be needed


@dataclass(frozen=True, slots=True)
class _Method:
    """One thing to try; ``attempt`` gives what the server still asks for besides, which is nothing once it lets us in."""

    label: str
    kinds: frozenset[str]  # the names by which a server allows it
    attempt: Callable[[], list[str]]


def authenticate(transport: paramiko.Transport, hop: Hop, access: SSHAccess) -> None:
    """Log in, with one method or with as many in turn as the server asks for.

    Raises:
        AuthenticationRefused: the server took none, or a key can't be used.
        Unreachable: the connection broke meanwhile.
    """
    waiting, passed_over = list(_methods(transport, hop, access)), list[_Method]()
    tried, allowed, unusable = list[str](), list[str](), list[str]()
    while waiting:
        method = waiting.pop(0)
        if allowed and method.kinds.isdisjoint(allowed):
            passed_over.append(method)
            continue
        tried.append(method.label)
        try:
            allowed = method.attempt()
            if transport.is_authenticated():
                return
            waiting, passed_over = [*passed_over, *waiting], []
        except AuthenticationRefused as error:
            unusable.append(str(error))
        except paramiko.BadAuthenticationType as error:
            allowed = error.allowed_types
        except (paramiko.SSHException, EOFError, OSError) as error:
            _check_connection(transport, hop, tried, error)
    allowed = allowed or _allowed(transport, hop)
    raise AuthenticationRefused(" ".join([*unusable, _explanation(hop, tried, allowed)]))


def _methods(transport: paramiko.Transport, hop: Hop, access: SSHAccess) -> Iterator[_Method]:
    keys = list(_given_keys(hop, access))
    by_password = list(_password(transport, hop, access))
    if not keys:  # a password that was given goes before keys that happen to be there: servers count the attempts
        yield from by_password
    yield from (_by_key(transport, hop, label, load) for label, load in keys)
    if access.use_agent:
        for key in _agent_keys():
            yield _by_key(transport, hop, f"the agent's key {fingerprint(key)}", partial(_identity, key))
    if keys:
        yield from by_password
    elif not by_password:
        yield from (_by_key(transport, hop, label, load) for label, load in _files(DEFAULT_IDENTITY_FILES, access))


def _by_key(transport: paramiko.Transport, hop: Hop, label: str, load: _Load) -> _Method:
    return _Method(label, frozenset({"publickey"}), lambda: transport.auth_publickey(hop.username, load()))


def _password(transport: paramiko.Transport, hop: Hop, access: SSHAccess) -> Iterator[_Method]:
    if access.password is not None:
        secret = access.password.get_secret_value()  # paramiko falls back to keyboard-interactive by itself
        yield _Method(
            "the password", frozenset({"password", "keyboard-interactive"}), lambda: transport.auth_password(hop.username, secret)
        )


def _given_keys(hop: Hop, access: SSHAccess) -> Iterator[tuple[str, _Load]]:
    if access.private_key is not None:
        text = access.private_key.get_secret_value()
        yield "the private key", partial(private_key, text, _passphrase(access), "private key")
    if access.private_key_file:
        path = Path(access.private_key_file).expanduser()
        yield f"the key {path}", partial(_read_key, path, access)
    if access.private_key is None and not access.private_key_file:
        yield from _files(hop.identity_files, access)


def _files(files: tuple[str, ...], access: SSHAccess) -> Iterator[tuple[str, _Load]]:
    for path in (Path(file).expanduser() for file in files):
        if path.is_file():
            yield f"the key {path}", partial(_read_key, path, access)


def _agent_keys() -> tuple[paramiko.AgentKey, ...]:
    try:
        return paramiko.Agent().get_keys()
    except (paramiko.SSHException, OSError):
        return ()  # as OpenSSH has it, an agent that does not answer holds no keys


def _identity(key: paramiko.PKey) -> paramiko.PKey:
    return key


def _read_key(path: Path, access: SSHAccess) -> paramiko.PKey:
    try:
        text = path.read_text("ascii", "replace")
    except OSError as error:
        raise AuthenticationRefused(f"The private key file {path} can't be read ({error.strerror}); please check it.") from error
    return private_key(text, _passphrase(access), f"private key {path}")


def _passphrase(access: SSHAccess) -> str | None:
    return access.passphrase.get_secret_value() if access.passphrase else None


def _check_connection(transport: paramiko.Transport, hop: Hop, tried: list[str], error: Exception) -> None:
    if transport.is_active() and "timeout" not in str(error).lower():
        return
    if len(tried) > 1:
        raise AuthenticationRefused(
            f"{hop} hung up after it had refused {', '.join(tried)} for the user {hop.username}; "
            "please give the one key to use, and switch the agent off."
        ) from error
    raise Unreachable(f"{hop} stopped answering while {hop.username} was logging in; please try again.") from error


def _allowed(transport: paramiko.Transport, hop: Hop) -> list[str]:
    """What the server allows, which it tells only to those it refuses."""
    try:
        transport.auth_none(hop.username)
    except paramiko.BadAuthenticationType as error:
        return error.allowed_types
    except (paramiko.SSHException, EOFError, OSError):
        return []
    return []


def _explanation(hop: Hop, tried: list[str], allowed: list[str]) -> str:
    attempts = f"it did not take {', nor '.join(tried)}" if tried else "there was no key, agent or password to try"
    allows = f" It allows {', '.join(allowed)}." if allowed else ""
    if allowed and "publickey" not in allowed:
        advice = "please check the user name, and give the password"
    else:
        advice = "please check the user name, and put the public key into ~/.ssh/authorized_keys there (ssh-copy-id does it)"
    return f"{hop} refused the user {hop.username}: {attempts}.{allows} To log in, {advice}."
