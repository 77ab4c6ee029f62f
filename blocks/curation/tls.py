"""What was wrong with a secure connection: some of it is so the next time too, and what to do depends on whose mistake it is."""

from __future__ import annotations

import ssl

from blocks.errors import CommandFailed

# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_TIME = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_PLAIN = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}  # OpenSSL's reasons where what answers does not speak TLS


def mistaken(name: str, error: BaseException) -> CommandFailed | None:
    """The error for a connection that will not be secure however often it is made; None for any other."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.rstrip(".")
        return CommandFailed(f"the certificate of {name} can't be verified ({reason}); {_advice(cause.verify_code)}")
    if cause is not None and cause.reason in _PLAIN:
        return CommandFailed(
            f"{name} answers without encryption where its address asks for it; look at the port in the address, and whether it "
            "has to begin with http:// or https://"
        )
    return None


def _advice(code: int) -> str:
    if code in _NAME:
        return "give the address that the certificate is for"
    if code in _TIME:
        return "look at the clock of this machine, and tell the people of the repository"
    return "name its authority in the setting authority_file"
