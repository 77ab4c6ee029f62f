"""What goes wrong with stores that speak S3's protocol, in sentences.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and the codes of others.
"""

from __future__ import annotations

from typing import Any, cast

from botocore import exceptions  # pyright: ignore[reportMissingTypeStubs]

from blocks.errors import AuthenticationRefused, CommandFailed, ResourceError, Unreachable
from blocks.storage.object_refusals import changed, damaged, full, refusal, unanswered, unreached
from blocks.tls import insecure

_WRONG_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure", "InvalidSecurity")
_FULL = ("QuotaExceeded", "InsufficientCapacity", "InsufficientStorage", "XMinioStorageFull")
_DAMAGED = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody")
_BUSY = ("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "OperationAborted", "Throttling", "RequestLimit")
_ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
_NOT_OFFERED = {405, 501}
_NO_SUCH_RANGE = 416
_REDIRECTED = {301, 302, 307, 308}


def sentence(error: Exception, name: str, bucket: str, key: str) -> ResourceError:  # noqa: PLR0911 -- one for each kind
    """What an error of boto3's means, about a key of a bucket in the store of this name."""
    match error:
        case exceptions.ClientError():
            told: dict[str, Any] = cast(Any, error).response
            status = int(told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            code, words = (str(told.get("Error", {}).get(part, "")) for part in ("Code", "Message"))
            return of_code(name, bucket, key, code, words, status)
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError() | exceptions.CredentialRetrievalError():
            return AuthenticationRefused(
                f"there is no access key for {name}: give access_key or credentials, or set up this machine for Amazon's tools"
            )
        case exceptions.ProfileNotFound():
            profile = cast(Any, error).kwargs["profile"]
            return AuthenticationRefused(
                f"there is no profile {profile} of Amazon's tools on this machine; check AWS_PROFILE, or ~/.aws/credentials"
            )
        case exceptions.SSLError():
            return insecure(name, error, setting="endpoint") or unreached(name)
        case exceptions.EndpointConnectionError() | exceptions.ConnectTimeoutError() | exceptions.ProxyConnectionError():
            return unreached(name)
        case exceptions.ResponseStreamingError() | exceptions.IncompleteReadError():
            return cut_off(name)
        case exceptions.HTTPClientError():
            return unanswered(name)
        case _:
            return CommandFailed(f"{key or bucket}: {name} can't be asked: {' '.join(str(error).split())[:300]}")


def of_code(name: str, bucket: str, key: str, code: str, words: str, status: int) -> ResourceError:  # noqa: PLR0911
    """What the code of an answer means, with the store's own words and the status of HTTP, or 0."""
    if code == "NoSuchBucket":
        return CommandFailed(f"there is no bucket {bucket} in {name}; check its name, or make it first")
    if code.startswith(_WRONG_KEYS):
        hint = f", and the region: {words}" if "egion" in words else ""
        return AuthenticationRefused(f"{name} does not accept the access key with its secret ({code}); check them{hint}")
    if code == "ExpiredToken":
        return AuthenticationRefused(f"the session token for {name} has expired; make a new one, and give it with its keys")
    if code == "RequestTimeTooSkewed":
        return CommandFailed(f"the clock of this machine and that of {name} are too far apart; set the clock right")
    if code.startswith(_FULL) or (code == "EntityTooLarge" and "quota" in words):  # Swift's; others say that of one file
        return full(name, words)
    if code.startswith(_DAMAGED):
        return damaged(key)
    if code.startswith(_BUSY):
        return Unreachable(f"{name} is busy or out of order: {words or code}")
    if code.startswith(_ELSEWHERE):
        return CommandFailed(f"the bucket {bucket} is in another region than the setting says ({words}); correct the region")
    if status in _REDIRECTED:
        return CommandFailed(
            f"{name} says that the bucket {bucket} is elsewhere; check the endpoint, such as whether it has to begin with https, "
            "and the region"
        )
    if code in {"NoSuchKey", "NoSuchUpload"}:
        status = 404
    if code == "InvalidRange" or status == _NO_SUCH_RANGE:  # it has become shorter
        return changed(key)
    if code == "AccessDenied":  # of one of several keys, which has no status
        status = 403
    return refusal(name, key, status, words if words != code else "")


def is_unknown(error: exceptions.ClientError) -> bool:
    """Whether the store has no such request."""
    told: dict[str, Any] = cast(Any, error).response
    status = told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status in _NOT_OFFERED or told.get("Error", {}).get("Code") in ("NotImplemented", "InvalidArgument")


def cut_off(name: str) -> Unreachable:
    """An answer began, and did not come to its end."""
    return Unreachable(f"the connection to {name} broke before its answer had ended; please try again")


def strange(name: str) -> CommandFailed:
    """What answers is another server."""
    return CommandFailed(f"{name} does not answer as S3 does; check the endpoint")
