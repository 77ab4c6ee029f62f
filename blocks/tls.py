"""Encrypted connections: whose certificates are accepted, and what was wrong with a connection that did not come about."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from blocks.errors import CommandFailed, InvalidRequest, ResourceError
from blocks.patience import Unreached

# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_TIME = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
# OpenSSL's reasons where what answers does not speak TLS
_PLAIN = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"}


def trusting(authority_file: str) -> ssl.SSLContext:
    """A context that takes the certificates of that authority, and no others.

    Raises:
        InvalidRequest: there is no certificate in the file.
    """
    try:
        return ssl.create_default_context(cafile=Path(authority_file).expanduser())
    except OSError as error:
        raise InvalidRequest(f"authority_file: {authority_file} has no certificate that can be read ({error})") from error


def _of_openssl(error: BaseException) -> ssl.SSLError | None:
    """What OpenSSL said, if that is behind an error of a library's."""
    return next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)


def insecure(
    name: str, error: BaseException, *, setting: str = "address", trust: str = "in the setting authority_file"
) -> ResourceError | None:
    """Why there is no encrypted connection, if that is what an error is about.

    ``name`` is whom it would have led to, ``setting`` what the user calls its address, and ``trust`` where an authority is named.
    """
    cause = _of_openssl(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(name, cause.verify_message, _advice(name, cause.verify_code, setting, trust))
    if (words := _mismatch(error)) is not None:
        return _untrusted(name, words, _for_another(setting))
    if cause is not None and cause.reason in _PLAIN:
        return CommandFailed(
            f"{name} answers without encryption where its {setting} asks for it; look at the port in the {setting}, and whether "
            "it has to begin with http:// or https://"
        )
    if cause is None:
        return None
    reason = cause.reason or "it broke while it was made"
    return Unreached(f"no encrypted connection to {name} came about ({reason}); please try again, and check the {setting}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _mismatch(error: BaseException) -> str | None:
    """What urllib3 says, which compares the names in certificates itself, in an exception that is none of OpenSSL's."""
    return next((str(cause) for cause in _causes(error) if type(cause).__name__ == "CertificateError"), None)


def _untrusted(name: str, reason: str, advice: str) -> CommandFailed:
    return CommandFailed(f"the certificate of {name} can't be verified ({reason.rstrip('.')}); {advice}")


def _for_another(setting: str) -> str:
    return f"write its host in the {setting} as the certificate does"


def _advice(name: str, code: int, setting: str, trust: str) -> str:
    if code in _NAME:
        return _for_another(setting)
    if code in _TIME:
        return f"look at the clock of this machine, and tell the people of {name}"
    return f"name its authority's certificate {trust}"
