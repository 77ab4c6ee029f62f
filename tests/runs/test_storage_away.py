"""An output storage by SFTP that is away for some seconds, at the end of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.compute import LocalCompute
from blocks.storage import SFTPStorage
from flows.crate import METADATA
from flows.run_folder import RUN_JSON, TASKS_JSON
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers.sshd import SSHD

pytestmark = pytest.mark.ssh

MAIN = 'echo 42 >"$2/answer"\n'


def on(host: SSHD) -> SFTPStorage:
    return SFTPStorage(
        host=f"{host.user}@{host.address}:{host.port}",
        private_key_file=str(host.private_key),
        host_keys=[host.host_key_line],
        use_agent=False,
        config_file="/dev/null",
    )


def test_one_that_is_away_when_the_records_are_written_has_them_all(sshd: SSHD, tmp_path: Path) -> None:
    lab, storage, compute = Lab(tmp_path), on(sshd), LocalCompute(scratch=str(tmp_path / "scratch"))

    def ends(*_given: object) -> dict[str, object]:
        sshd.stop()
        return {}

    told = f"{storage.describe()} does not answer, or has no time; trying again"
    when(lambda: told in lab.view.messages, sshd.start)
    result = lab.go(connector(tmp_path, MAIN, summary=ends), compute, sweep={"n": [1, 2]}, output=storage)

    assert result.state == "completed"
    assert lab.view.messages.count(told) == 1
    assert {RUN_JSON, TASKS_JSON, METADATA} <= set(storage.list(result.name))
    storage.close()
