"""moto's S3 on the loopback device: it keeps all in memory, and takes any secret until it is told to heed keys."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import httpx

from tests.servers.ports import free_port

# As it is, moto finds no key that has a line's end in it.
PROGRAM = r"""
from moto.moto_server.utilities import RegexConverter
plain = RegexConverter.__init__
RegexConverter.__init__ = lambda self, url_map, pattern: plain(self, url_map, pattern.replace(".", r"[\s\S]"))
from moto.server import main
main()
"""


class S3:
    """One S3.

    Attributes:
        endpoint: where its API is.
    """

    access_key, secret_key, region = "AKIACHIMINEYTESTS000", "the-secret-of-the-tests", "us-east-1"

    def __init__(self, folder: Path) -> None:
        """Plan a server that writes its log below ``folder``; nothing runs before ``start``."""
        self._port = free_port()
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers. Raises RuntimeError with the log's end when it doesn't."""
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", PROGRAM, "-p", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            try:
                httpx.get(f"{self.endpoint}/moto-api/")
            except httpx.TransportError:
                if self._process.poll() is not None:
                    raise RuntimeError(f"moto has ended: {self._log.read_text()[-2000:]}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it. One that has not been started stays so."""
        if self._process:
            with self._process:
                self._process.kill()
            self._process = None

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self._client("s3").create_bucket(Bucket=name)

    def add_user(self, name: str, *actions: str) -> tuple[str, str]:
        """The access key and the secret of a new user, who may do this."""
        iam = self._client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="these", PolicyDocument=_allowing(*actions))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def add_session(self, role: str, *actions: str) -> tuple[str, str, str]:
        """An access key, its secret and the token of a session in a new role, which may do this."""
        iam = self._client("iam")
        anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
        made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]
        iam.put_role_policy(RoleName=role, PolicyName="these", PolicyDocument=_allowing(*actions))
        given = self._client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="tests")["Credentials"]
        return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]

    def heed_keys(self) -> None:
        """Let in nobody from now on but those who were added, and let them do nothing else."""
        httpx.post(f"{self.endpoint}/moto-api/reset-auth", content=b"0", timeout=120).raise_for_status()

    def _client(self, service: str) -> Any:
        login = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key, "region_name": self.region}
        return boto3.client(service, endpoint_url=self.endpoint, **login)


def _allowing(*actions: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
