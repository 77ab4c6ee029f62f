"""SSH certificates: what an authority says of a key, in a file beside it."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, SSHCertificate, load_ssh_public_identity

from blocks.errors import AuthenticationRefused


def beside(key_file: Path) -> Path:
    """Where the certificate of a key is, if it has one."""
    return key_file.with_name(f"{key_file.name.removesuffix('.pub')}-cert.pub")


def certified(key: paramiko.PKey, file: Path) -> paramiko.PKey:
    """The key, which from now on shows its certificate.

    Raises:
        AuthenticationRefused: the certificate has expired, is damaged, or is that of another key.
    """
    try:
        certificate = load_ssh_public_identity(file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise AuthenticationRefused(f"The certificate {file} can't be read ({error}); please check it.") from error
    if not isinstance(certificate, SSHCertificate):
        raise AuthenticationRefused(f"The file {file} is no certificate but a public key; please correct that.")
    if certificate.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1] != key.get_base64().encode():
        raise AuthenticationRefused(f"The certificate {file} is that of another key; please check it.")
    if certificate.valid_before <= time.time():
        end = datetime.fromtimestamp(certificate.valid_before).astimezone()
        raise AuthenticationRefused(f"The certificate {file} has expired on {end:%Y-%m-%d at %H:%M}; please have it renewed.")
    key.load_certificate(str(file))
    return key
