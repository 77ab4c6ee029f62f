"""Host keys: which key a server must show, from pinned lines and from files in OpenSSH's known_hosts format."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from blocks.errors import HostKeyRefused, HostKeyUnknown

PINNED = "the resource's host keys"
_KEY_TYPE = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+")
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # a key type that signs under other names than its own


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key on record for a host."""

    kind: str
    blob: bytes
    revoked: bool = False


def pinned_keys(lines: Iterable[str], address: str, *, last: bool) -> list[KnownKey]:
    """The pinned keys that hold for a server; a line without a name holds for the last of the way only.

    A jump host must not be able to stand in for the host behind it, so their pins are never mixed.
    """
    return list(_matching(lines, address, nameless=last))


def recorded_keys(files: Iterable[str], address: str) -> list[KnownKey]:
    """The keys that known_hosts files have for a server. A file that does not exist has none.

    Raises:
        HostKeyRefused: a file exists and can't be read.
    """
    return [key for file in files for key in _matching(_lines(Path(file).expanduser()), address, nameless=False)]


def preferred_algorithms(known: Iterable[KnownKey], offered: Iterable[str]) -> tuple[str, ...]:
    """What to ask the server for: algorithms of the keys that are known first, so that it shows one of those."""
    wanted = {name for key in known if not key.revoked for name in _ALGORITHMS.get(key.kind, (key.kind,))}
    return tuple(sorted(offered, key=lambda name: name not in wanted))


def check_host_key(key: paramiko.PKey, known: list[KnownKey], address: str, place: str) -> None:
    """Accept a server's key, or say why not; ``place`` is where its line belongs, for the message: a file, or PINNED.

    Raises:
        HostKeyRefused: it is unknown, revoked, or not the one on record.
    """
    blob, trusted = key.asbytes(), [known_key for known_key in known if not known_key.revoked]
    if KnownKey(key.get_name(), blob, revoked=True) in known:
        raise HostKeyRefused(f"The key {fingerprint(key)} of {address} is revoked in {place}; please ask its administrator.")
    if any(hmac.compare_digest(blob, known_key.blob) for known_key in trusted):
        return
    line = f"{address} {key.get_name()} {key.get_base64()}"
    if trusted:
        raise HostKeyRefused(
            f"The host key of {address} has changed: somebody may be intercepting the connection, the host was installed anew, "
            f"or the name leads to several login nodes in turn. It now shows {fingerprint(key)}; if its administrator confirms "
            f"that, replace its line in {place} by this one, or add it for one of several nodes (or name one node as the host): "
            f"{line}"
        )
    add = "pin it with --accept-host-key, or by this line in" if place == PINNED else "add this line to"
    raise HostKeyUnknown(
        f"The host {address} is unknown. It shows the key {fingerprint(key)}; "
        f"if its administrator confirms that, {add} {place}: {line}",
        line,
    )


def fingerprint(key: paramiko.PKey) -> str:
    """The key's fingerprint as OpenSSH prints it: ``SHA256:...``."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostKeyRefused(f"The file of known hosts {path} can't be read ({error.strerror}); please mend that.") from error


def _matching(lines: Iterable[str], address: str, *, nameless: bool) -> Iterator[KnownKey]:
    for line in lines:
        marker, names, kind, encoded = _fields(line)
        if marker == "@cert-authority" or not encoded or not (_names_match(names, address) if names else nameless):
            continue
        try:
            yield KnownKey(kind, base64.b64decode(encoded, validate=True), revoked=marker == "@revoked")
        except binascii.Error:
            continue  # OpenSSH, too, passes over a damaged line: it can only make a host unknown


def _fields(line: str) -> tuple[str, str, str, str]:
    """Marker, names, key type and key of a line; what is absent is empty."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return "", "", "", ""
    marker = words.pop(0) if words[0].startswith("@") else ""
    names = "" if not words or _KEY_TYPE.fullmatch(words[0]) else words.pop(0)
    kind, encoded = words[:2] if len(words) >= 2 else ("", "")
    return marker, names, kind, encoded


def _names_match(names: str, address: str) -> bool:
    if names.startswith("|1|"):
        return _hash_matches(names, address)
    matches = [name.startswith("!") for name in names.split(",") if _pattern(name.lstrip("!")).fullmatch(address.lower())]
    return bool(matches) and not any(matches)


def _hash_matches(hashed: str, address: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, address.lower().encode(), "sha1"), digest)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name.lower()).replace(r"\*", ".*").replace(r"\?", "."))
