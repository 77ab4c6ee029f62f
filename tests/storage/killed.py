"""Processes that are killed while they change an object storage."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from blocks.storage import ObjectStorage
from tests.servers.swift import Swift
from tests.storage.object_storages import raw_keys, uploads

REPOSITORY = Path(__file__).parents[2]
LOOKS = 6  # that must be the same
REPLACE = """
import sys
from pydantic import SecretStr
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.storage.controller import die_at
from tests.storage_contract import Zeros
settings = eval(sys.argv[1])
storage = ObjectStorage(**{**settings, "secret_key": SecretStr(settings["secret_key"])})
die_at(int(sys.argv[2]), "before")
storage.collect("results", [file("1/new", b"new"), Entry("1/large", "file", size=9_000_000, content=Zeros())])
"""
COLLECT = """
import sys
from pydantic import SecretStr
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
from tests.storage_contract import Zeros
settings = eval(sys.argv[1])
storage = ObjectStorage(**{**settings, "secret_key": SecretStr(settings["secret_key"])})
entries = [Entry("kept/large", "file", size=9_000_000, content=Zeros())]
entries += [file(f"{task}/{number}", b"new") for task in ("kept", "new") for number in range(1000)]
storage.collect("results", entries)
"""
UPLOAD = """
import sys
import time
from pydantic import SecretStr
from blocks.storage import ObjectStorage
from blocks.tree import Entry, file
class Stalling:
    given = 0
    def read(self, size):
        if self.given >= 8_388_608:
            time.sleep(1_000_000)
        size = min(size, 8_388_608 - self.given)
        self.given += size
        return bytes(size)
settings = eval(sys.argv[1])
storage = ObjectStorage(**{**settings, "secret_key": SecretStr(settings["secret_key"])})
storage.collect("results", [Entry("kept/large", "file", size=18_000_000, content=Stalling())])
"""


def killed_at(storage: ObjectStorage, swift: Swift, moment: str) -> None:
    """Have another process replace what there is, and end before this change of the bucket: its journal is left."""
    words = [sys.executable, "-c", REPLACE, repr(settings_of(storage, swift)), moment]
    assert subprocess.run(words, cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    wait_until_still(storage, swift)
    assert [key for key in raw_keys(storage, swift) if key.endswith("/journal")]


def killed_while(storage: ObjectStorage, swift: Swift, is_time: Any, program: str = COLLECT) -> None:
    """Have another process collect, and kill it when the raw keys are so."""
    with subprocess.Popen([sys.executable, "-c", program, repr(settings_of(storage, swift))], cwd=REPOSITORY) as process:
        while not is_time(raw_keys(storage, swift)):
            assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
    wait_until_still(storage, swift)


def wait_until_still(storage: ObjectStorage, swift: Swift) -> None:
    """What a process had asked for may be done some time after it was killed, however slow the disk is."""
    seen: list[object] = []
    while len(seen) < LOOKS or any(each != seen[-1] for each in seen[-LOOKS:]):
        seen.append((raw_keys(storage, swift), uploads(storage, swift)))
        time.sleep(0.2)


def settings_of(storage: ObjectStorage, swift: Swift) -> dict[str, str]:
    """What another process makes it of."""
    settings = {name: getattr(storage, name) for name in ("protocol", "endpoint", "bucket", "path", "access_key")}
    return settings | {"secret_key": swift.key}
