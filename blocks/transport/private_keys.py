"""Private keys, in any of the formats in which people keep them."""

from __future__ import annotations

import base64
import binascii
import io

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from blocks.errors import AuthenticationRefused

_CLASSES: list[tuple[type, type[paramiko.PKey]]] = [
    (Ed25519PrivateKey, paramiko.Ed25519Key),
    (EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (RSAPrivateKey, paramiko.RSAKey),
]
_OPENSSH = b"openssh-key-v1\0"
_ON_SECURITY_KEY = (b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com")


def private_key(text: str, passphrase: str | None, label: str) -> paramiko.PKey:
    """The key in a text of OpenSSH's, PEM or PKCS #8 format; ``label`` says which one it is, for messages.

    Raises:
        AuthenticationRefused: it is damaged, of another kind, held by a security key, or its passphrase is missing or wrong.
    """
    data = text.strip().replace("\r\n", "\n").encode() + b"\n"
    if b" PRIVATE KEY-----" not in data:
        raise AuthenticationRefused(f"The {label} is no private key; its first line should be like BEGIN OPENSSH PRIVATE KEY.")
    if (public_part(text) or b"")[4:].startswith(_ON_SECURITY_KEY):
        raise AuthenticationRefused(f"The {label} is held by a security key; please load it into an SSH agent (ssh-add).")
    load = load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key
    try:
        loaded = load(data, passphrase.encode() if passphrase else None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        encrypted = isinstance(error, TypeError) or "password" in str(error).lower()
        reason = "needs its passphrase" if encrypted and not passphrase else "is damaged, or its passphrase is wrong"
        raise AuthenticationRefused(f"The {label} {reason}; please correct it in the resource.") from error
    for kind, key_class in _CLASSES:
        if isinstance(loaded, kind):
            plain = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            return key_class.from_private_key(io.StringIO(plain.decode()))
    raise AuthenticationRefused(f"The {label} is of a kind that SSH no longer uses; please make one with: ssh-keygen -t ed25519")


def public_part(text: str) -> bytes | None:
    """The public half of a key in OpenSSH's format, where it stands in the clear; None for other formats."""
    try:
        content = base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("-----")))
    except (ValueError, binascii.Error):
        return None
    if not content.startswith(_OPENSSH):
        return None
    message = paramiko.Message(content.removeprefix(_OPENSSH))
    for _ in ("cipher", "key derivation", "its options"):
        message.get_binary()
    message.get_int()  # the number of keys, which is always 1
    return message.get_binary()
