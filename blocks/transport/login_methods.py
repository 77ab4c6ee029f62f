"""The keys and passwords that are tried on a server, in their order."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from blocks.errors import AuthenticationRefused
from blocks.transport import certificates
from blocks.transport.agents import agent_keys
from blocks.transport.host_keys import fingerprint
from blocks.transport.private_keys import private_key, public_part
from blocks.transport.questions import answer_questions
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_config import Hop

DEFAULT_IDENTITY_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
PASSWORD = "the password"
_Load = Callable[[], paramiko.PKey]  # only when its turn comes: a key that can't be read need not be needed


@dataclass(frozen=True, slots=True)
class Method:
    """One thing to try; ``attempt`` gives what the server still asks for besides, which is nothing once it lets us in."""

    label: str
    kinds: frozenset[str]  # the names by which a server allows it
    attempt: Callable[[], list[str]]
    besides: bool = False  # only where the server has taken something else before


class Methods:
    """What there is to try on one server."""

    def __init__(self, transport: paramiko.Transport, hop: Hop, access: SSHAccess) -> None:
        self._transport = transport
        self._hop = hop
        self._access = access
        self._agent = list(agent_keys(hop.identity_agent)) if access.use_agent else []

    def of_host(self) -> Iterator[Method]:
        """For the last server of the way, what the resource has comes first."""
        keys = list(self._given()) or list(self._identities(self._hop.identity_files))
        if not keys:  # a password that was given goes before keys that happen to be there: servers count the attempts
            yield from self._password()
        yield from keys
        yield from self._rest_of_agent()
        if keys:
            yield from self._password()
        elif self._access.password is None:
            yield from self._identities(DEFAULT_IDENTITY_FILES)
        yield self._questions()

    def of_gateway(self) -> Iterator[Method]:
        """For a jump host, what it has of its own; the password is the host's, and goes to no server that has a key."""
        own = list(self._identities(self._hop.identity_files))
        yield from own
        yield from self._given()
        yield from self._rest_of_agent()
        if not own:
            yield from self._identities(DEFAULT_IDENTITY_FILES)
            yield from self._password()
        yield self._questions()

    def _given(self) -> Iterator[Method]:
        access = self._access
        if access.private_key is not None:
            text = access.private_key.get_secret_value()
            yield from self._by_key("the private key", lambda: private_key(text, self._passphrase(), "private key"), [])
        if access.private_key_file:
            yield from self._by_file(Path(access.private_key_file).expanduser())

    def _identities(self, files: tuple[str, ...]) -> Iterator[Method]:
        """Those of files that exist; a key that the agent has, too, is the agent's, which needs no passphrase."""
        for path in (Path(file).expanduser() for file in files):
            public = _public_blob(path)
            held = [key for key in self._agent if public and public in {key.blob, key.asbytes()}]
            for key in held:
                self._agent.remove(key)
                yield from self._by_agent(key, [certificates.beside(path)])
            if not held and path.is_file():
                yield from self._by_file(path)

    def _rest_of_agent(self) -> Iterator[Method]:
        while self._agent and not self._hop.identities_only:
            yield from self._by_agent(self._agent.pop(0), [])

    def _by_agent(self, key: paramiko.AgentKey, files: list[Path]) -> Iterator[Method]:
        label = f"the agent's key {fingerprint(key)}"
        return self._by_key(label, lambda: paramiko.AgentKey(key.agent, key.blob, key.comment), files)

    def _by_file(self, path: Path) -> Iterator[Method]:
        return self._by_key(f"the key {path}", lambda: self._read(path), [certificates.beside(path)])

    def _by_key(self, label: str, load: _Load, files: list[Path]) -> Iterator[Method]:
        """First with a certificate, if there is one, and then by itself."""
        named = [Path(self._hop.certificate_file).expanduser()] if self._hop.certificate_file else []
        for file in dict.fromkeys([*files, *named]):
            if file.is_file():
                yield self._method(f"{label} with the certificate {file}", lambda file=file: certificates.certified(load(), file))
        yield self._method(label, load)

    def _method(self, label: str, load: _Load) -> Method:
        return Method(label, frozenset({"publickey"}), lambda: self._transport.auth_publickey(self._hop.username, load()))

    def _password(self) -> Iterator[Method]:
        if self._access.password is not None:
            secret = self._access.password.get_secret_value()
            yield Method(PASSWORD, frozenset({"password", "keyboard-interactive"}), lambda: self._by_password(secret))

    def _by_password(self, secret: str) -> list[str]:
        try:
            return self._transport.auth_password(self._hop.username, secret, fallback=False)
        except paramiko.BadAuthenticationType as refused:
            if "keyboard-interactive" not in refused.allowed_types:
                raise
            try:
                return answer_questions(self._transport, self._hop, secret)
            except paramiko.AuthenticationException:
                raise refused from None  # it knows what is allowed

    def _questions(self) -> Method:
        """To hear what is asked for besides a key; some servers ask nothing, and have it confirmed elsewhere."""
        kinds = frozenset({"keyboard-interactive"})
        return Method("no answer", kinds, lambda: answer_questions(self._transport, self._hop, None), besides=True)

    def _read(self, path: Path) -> paramiko.PKey:
        try:
            text = path.read_text("ascii", "replace")
        except OSError as error:
            raise AuthenticationRefused(
                f"The private key file {path} can't be read ({error.strerror}); please check it."
            ) from error
        if path.suffix == ".pub":
            raise AuthenticationRefused(f"No agent has the key of {path}; please load it there (ssh-add).")
        return private_key(text, self._passphrase(), f"private key {path}")

    def _passphrase(self) -> str | None:
        return self._access.passphrase.get_secret_value() if self._access.passphrase else None


def _public_blob(path: Path) -> bytes | None:
    """The public half of a key, from the file beside it or from the file itself, which may have nothing else."""
    file = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    try:
        return base64.b64decode(file.read_text("ascii", "replace").split()[1], validate=True)
    except (OSError, IndexError, ValueError):
        return public_part(path.read_text("ascii", "replace")) if os.access(path, os.R_OK) and path.is_file() else None
