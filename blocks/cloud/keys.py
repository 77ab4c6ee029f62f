"""The keys of a run's machines: every controller of the run makes the same ones, so that none has to be kept anywhere.

They are derived from a secret of the user's, which stays on the machine that the run is controlled from, by HKDF (RFC 5869) with
the run and the host as its context. Who gets hold of one key learns nothing of the secret, nor of another key.
"""

from __future__ import annotations

import base64
import os
import secrets
import struct
import textwrap
from contextlib import suppress

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from blocks.home import home

_KIND = b"ssh-ed25519"
_LENGTH = 32  # bytes of an Ed25519 private key, RFC 8032
_BLOCK = 8  # bytes to which the secret part is padded


class RunKeys:
    """The keys of one run.

    Args:
        run: its id.
        seed: the secret that they are derived from; None for the one in the user's own folder, made when it is not there.
    """

    def __init__(self, run: str, seed: SecretStr | None) -> None:
        self._run = run
        self._seed = seed.get_secret_value().encode() if seed is not None else _own_seed()

    def login(self) -> tuple[SecretStr, str]:
        """What the controller logs in with: the private key, and the line of ``authorized_keys``."""
        return self._pair("login")

    def host(self, host: str) -> tuple[SecretStr, str]:
        """What a host shows: its private key, and the public one as known_hosts has it."""
        return self._pair(f"host {host}")

    def _pair(self, purpose: str) -> tuple[SecretStr, str]:
        context = f"chiminey {self._run} {purpose}".encode()
        private = HKDF(hashes.SHA256(), _LENGTH, salt=None, info=context).derive(self._seed)
        public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        blob = _string(_KIND) + _string(public)
        line = f"{_KIND.decode()} {base64.b64encode(blob).decode()} chiminey-{self._run}"
        return SecretStr(_openssh(private, public, blob)), line


def _openssh(private: bytes, public: bytes, blob: bytes) -> str:
    """A private key as OpenSSH keeps it (its PROTOCOL.key), with zeros where that has random numbers: the same each time."""
    check = bytes(4)
    secret = check + check + _string(_KIND) + _string(public) + _string(private + public) + _string(b"")
    secret += bytes(range(1, 1 + -len(secret) % _BLOCK))
    key = b"openssh-key-v1\0" + _string(b"none") + _string(b"none") + _string(b"") + struct.pack(">I", 1)
    lines = textwrap.wrap(base64.b64encode(key + _string(blob) + _string(secret)).decode(), 70)
    return "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *lines, "-----END OPENSSH PRIVATE KEY-----", ""])


def _string(content: bytes) -> bytes:
    """As SSH writes a string, RFC 4251 section 5."""
    return struct.pack(">I", len(content)) + content


def _own_seed() -> bytes:
    """The secret in the user's own folder; the first who needs it makes it."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = folder / f"cloud.secret.{secrets.token_hex(4)}"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as target:
        target.write(secrets.token_urlsafe(_LENGTH))
    with suppress(FileExistsError):
        os.link(new, folder / "cloud.secret")  # whole, or not at all
    new.unlink()
    return (folder / "cloud.secret").read_bytes()
