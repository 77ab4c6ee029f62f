"""Servers that speak S3, and Amazon's own command: it is installed for the occasion, and so is rclone.

rclone's S3 keeps all in memory and is fast; it knows no signed addresses and no objects of folders. moto's does, and is slow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
from pydantic import SecretStr

from blocks.storage import ObjectStorage
from tests.servers import s3 as moto
from tests.servers.ports import free_ports

ROOT = Path(__file__).parents[1]
ACCESS_KEY, SECRET_KEY, REGION = "AKIACHIMINEYBENCH000", "the-secret-of-the-benchmarks", "us-east-1"
OURS, THEIRS = "ours", "theirs"  # buckets


@dataclass(frozen=True)
class S3:
    """A running server, and the folder of the command."""

    endpoint: str
    programs: Path

    def storage(self, *, direct: bool = False) -> ObjectStorage:
        """Our way to it."""
        secret = SecretStr(SECRET_KEY)
        return ObjectStorage(endpoint=self.endpoint, bucket=OURS, access_key=ACCESS_KEY, secret_key=secret, direct=direct)

    def aws(self, *words: str | Path, stdin: IO[bytes] | None = None) -> None:
        """``aws s3 ...``, with no settings of the person who runs this."""
        login = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": REGION}
        environment = {**os.environ, **login, "AWS_CONFIG_FILE": os.devnull}
        command = [self.programs / "aws", "--endpoint-url", self.endpoint, "s3", *words]
        subprocess.run(command, env=environment, stdin=stdin, stdout=subprocess.DEVNULL, check=True)


def install(place: Path) -> Path:
    """The folder of the programs."""
    uv = ROOT / ".venv/bin/uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    python = place / "bin/python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--group", "bench-s3"], cwd=ROOT, check=True)
    return place / "bin"


@contextmanager
def fast(programs: Path) -> Generator[S3]:
    """rclone's."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    serve = [programs / "rclone", "serve", "s3", ":memory:", "--addr", address, "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    quiet = ["--config", os.devnull, "--log-level", "ERROR", "--log-file", os.devnull]
    with subprocess.Popen([*serve, *quiet], stdin=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://{address}", server)
            yield _with_buckets(S3(f"http://{address}", programs))
        finally:
            server.kill()


@contextmanager
def signing(programs: Path, folder: Path) -> Generator[S3]:
    """moto's."""
    folder.mkdir()
    server = moto.S3(folder)
    server.start()
    try:
        yield _with_buckets(S3(server.endpoint, programs))
    finally:
        server.stop()


def _with_buckets(server: S3) -> S3:
    for bucket in (OURS, THEIRS):
        server.aws("mb", f"s3://{bucket}")
    return server


def _wait_for(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            httpx.get(endpoint)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("rclone's S3 has ended")
