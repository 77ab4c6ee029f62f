"""A key in the place of a password: made here, installed on a host, and withdrawn again."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from blocks.transport.private_keys import private_key
from blocks.transport.transport import Transport


def new_key(comment: str) -> tuple[SecretStr, str]:
    """A new Ed25519 key pair: the private key in OpenSSH's form, and the line of ``authorized_keys``."""
    key = Ed25519PrivateKey.generate()
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    private = SecretStr(key.private_bytes(*formats).decode())
    return private, public_line(private, comment)


def public_line(private: SecretStr, comment: str) -> str:
    """The line of ``authorized_keys`` that belongs to a private key without passphrase.

    Raises:
        AuthenticationRefused: it is damaged, or has a passphrase.
    """
    key = private_key(private.get_secret_value(), None, "private key")
    return f"{key.get_name()} {key.get_base64()} {comment}"


def install(transport: Transport, line: str) -> None:
    """Let the key in. Nothing happens when it is there already."""
    transport.run(
        """
cd "$HOME" && umask 077 && mkdir -p .ssh && touch .ssh/authorized_keys || exit
read -r line
grep -qxF "$line" .ssh/authorized_keys && exit
[ -z "$(tail -c 1 .ssh/authorized_keys)" ] || echo >>.ssh/authorized_keys
echo "$line" >>.ssh/authorized_keys
""",
        [line.encode() + b"\n"],
    )


def withdraw(transport: Transport, line: str) -> None:
    """Let the key in no more. Nothing happens when this very line is not there: a key with another comment is somebody's own."""
    transport.run(
        """
cd "$HOME" && umask 077 && [ -f .ssh/authorized_keys ] || exit 0
read -r line
new=.ssh/authorized_keys.$$
grep -vxF "$line" .ssh/authorized_keys >"$new"
[ $? -le 1 ] && cat "$new" >.ssh/authorized_keys && rm "$new"
""",
        [line.encode() + b"\n"],
    )
