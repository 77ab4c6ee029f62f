"""Requests of S3's protocol about one bucket, by boto3.

https://docs.aws.amazon.com/AmazonS3/latest/API/. Why boto3: on moto, measured once on a busy machine of two processors, 500 files
of 4 KB by 16 threads took it 1.2 s to send and 1.1 s to fetch, s3fs 1.7 s and 2.8 s, libcloud 4.0 s and 3.3 s; 256 MB took
4.9, 5.5 and 4.6 s to send, which is no difference. boto3 and s3fs repeat a request after a broken connection or a 503, libcloud
does not. And boto3 is a dependency anyway.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import boto3  # pyright: ignore[reportMissingTypeStubs]
from botocore import exceptions  # pyright: ignore[reportMissingTypeStubs]
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

from blocks.errors import CommandFailed, InvalidRequest, NotFound, ResourceError
from blocks.patience import Patience
from blocks.storage.object_clock import Clock
from blocks.storage.object_refusals import CONNECT_TIMEOUT, TIMEOUT
from blocks.storage.object_s3_refusals import cut_off, sentence, strange
from blocks.storage.object_store import AT_ONCE, md5

_OK = 200
_LENGTH = "content-length"
_ENDS = {_LENGTH, "transfer-encoding"}  # headers by which a whole answer is told from half of one
_XML = re.compile(rb"(\xef\xbb\xbf)?\s*(<(?!html|!doctype html)|$)", re.IGNORECASE)  # or nothing

_Answer = TypeVar("_Answer")


class S3Client:
    """Requests about a bucket; repeated after faults that pass, and failing in sentences.

    Attributes:
        boto: boto3's, for what asks for nothing.
    """

    def __init__(self, name: str, bucket: str, addressing: Literal["path", "virtual"], **login: Any) -> None:
        """Nothing is sent yet; ``login`` is what ``boto3.client`` takes.

        Raises:
            InvalidRequest, ResourceError: it can't be used.
        """
        self.name = name
        self.bucket = bucket
        self.clock = Clock()
        self.patience = Patience()
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=TIMEOUT,
            max_pool_connections=2 * AT_ONCE,
            signature_version="s3v4",  # for signed addresses too
            retries={"mode": "standard", "total_max_attempts": 1},
            request_checksum_calculation="when_required",  # the newer checksums are unknown to many servers: Content-MD5 is not
            response_checksum_validation="when_required",
            s3={
                "addressing_style": addressing,
                "payload_signing_enabled": False,  # the MD5 is signed: one digest of all content is enough
            },
        )
        try:
            session: Any = boto3.Session()
            self.boto: Any = session.client("s3", config=config, **login)
        except exceptions.BotoCoreError as error:
            raise sentence(error, name, bucket, "") from None
        except ValueError:
            raise InvalidRequest(
                f"endpoint: {name} can't be used; its host's name must be of letters, digits, '-' and '.', without a '_'"
            ) from None
        self.boto.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
        self.boto.meta.events.register("after-call.s3", self._hear)
        if "endpoint_url" in login:
            self.boto.meta.events.register_last("before-parameter-build.s3", _follow_nothing)

    def ask(self, operation: str, key: str, **given: Any) -> dict[str, Any]:
        """The answer to a request about a key."""
        return self.carry_out(key, lambda boto: getattr(boto, operation)(Bucket=self.bucket, **given))

    def pages(self, operation: str, prefix: str, **given: Any) -> Iterator[dict[str, Any]]:
        """The answers to a request for a list of what is below a prefix, to its end."""
        while True:
            page = self._page(operation, prefix, given)
            yield page
            if not page["IsTruncated"]:
                return
            if "NextContinuationToken" in page:
                given["ContinuationToken"] = page["NextContinuationToken"]
            elif "NextKeyMarker" in page:
                given |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page.get("NextUploadIdMarker", "")}
            else:
                raise CommandFailed(
                    f"{self.name} does not tell of all that is there below {prefix!r}; it is no S3 that can be used"
                )

    def carry_out(self, key: str, call: Callable[[Any], _Answer]) -> _Answer:
        """What comes of calls of boto3's client that are about a key."""

        def once() -> _Answer:
            try:
                return call(self.boto)
            except (exceptions.BotoCoreError, exceptions.ClientError) as error:
                raise sentence(error, self.name, self.bucket, key) from None  # the request may hold what is secret

        return self.patience(once)

    def close(self) -> None:
        """Let go of connections."""
        self.boto.close()

    def _page(self, operation: str, prefix: str, given: dict[str, Any]) -> dict[str, Any]:
        def once(boto: Any) -> dict[str, Any]:
            page = getattr(boto, operation)(Bucket=self.bucket, **given)
            if "IsTruncated" not in page:  # which would be an empty list
                raise self._without_end(page["ResponseMetadata"]["HTTPHeaders"])
            return page

        try:
            return self.carry_out(prefix, once)
        except NotFound:  # of a bucket that is not there, an S3 says so
            raise strange(self.name) from None

    def _without_end(self, told: dict[str, str]) -> ResourceError:
        return strange(self.name) if _ENDS & told.keys() else cut_off(self.name)

    def _hear(self, http_response: Any, model: Any, **_more: object) -> None:
        """See that an answer is whole, which boto3 does not where it is no content, and that it is one of S3's."""
        told = http_response.headers
        self.clock.hear(told.get("Date", ""))
        if model.has_streaming_output or model.http["method"] == "HEAD":
            return
        if len(http_response.content) < int(told.get(_LENGTH, 0)):
            raise cut_off(self.name)
        if http_response.raw.status == _OK and not _XML.match(http_response.content):  # boto3 makes a 500 of it
            raise strange(self.name)


def checksum(content: bytes) -> str:
    """What S3 takes as Content-MD5."""
    return base64.b64encode(md5(content)).decode()


def _follow_nothing(context: dict[str, Any], **_more: object) -> None:
    """Take a redirection as an answer: boto3 would ask an endpoint for the bucket's region without an end."""
    context["s3_redirect"] = {**context.get("s3_redirect", {}), "redirected": True}


def _add_md5(params: dict[str, Any], **_more: object) -> None:
    """Amazon is content with the newer checksums; others want this one, and some refuse the newer ones."""
    params["headers"]["Content-MD5"] = checksum(params["body"])
    params["context"].pop("checksum", None)
