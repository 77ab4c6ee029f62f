"""Hosts as they are in life: each of these set-ups runs the same connector, over one connection."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from connectors.randnum import randnum
from flows import Reliability
from tests.engine import Lab, left_on, unix
from tests.payloads import connector
from tests.servers.farm import Farm
from tests.servers.sshd import GROUP_ID, USER_ID

pytestmark = pytest.mark.ssh

SLOW_CLOCK = """
mkdir -p "$HOME/bin"
printf '#!/bin/sh\\nexec /bin/date -d "3 days ago" "$@"\\n' >"$HOME/bin/date"
chmod +x "$HOME/bin/date"
PATH="$HOME/bin:$PATH"
"""

UNFRIENDLY: dict[str, dict[str, Any]] = {
    "no SFTP subsystem": {"sftp": False},
    "forwarding forbidden": {"config": "DisableForwarding yes\n"},
    "a csh login shell": {"shell": "/bin/tcsh"},
    "a .bashrc that prints": {"bashrc": "echo welcome; echo to this host >&2; printf 'no newline'\n"},
    "noexec on /tmp": {"noexec_tmp": True},
    "no bash": {"no_bash": True},
    "one session at a time": {"config": "MaxSessions 1\n"},
    "a banner": {"config": "Banner /etc/debian_version\n"},
    "a umask that lets nobody in": {"bashrc": "umask 077\n"},
    "a login shell that takes its time": {"bashrc": "sleep 3\n"},
    "a login shell that ends when it is idle": {"bashrc": "readonly TMOUT=1; export TMOUT\n"},
    "a .bashrc that fails": {"bashrc": "cd /no/such/folder; false\n"},
    "variables that make cd and tar talk": {"bashrc": "export CDPATH=/tmp:.:.. TAR_OPTIONS=--verbose\n"},
    "noclobber and nounset in every shell": {"bashrc": "set -o noclobber -o nounset; export SHELLOPTS\n"},
    "a home with a space in its name": {"bashrc": 'HOME="$HOME/my home"; mkdir -p "$HOME"; cd\n'},
    "a clock that is three days slow": {"bashrc": SLOW_CLOCK},
}


@pytest.mark.parametrize("options", UNFRIENDLY.values(), ids=UNFRIENDLY.keys())
def test_a_run_succeeds_over_one_connection_on_a_host_with(
    options: dict[str, Any], farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.transport.ssh_channels.PATIENCE", 30.0)  # also where the whole machine stands still
    (host,) = farm(1, **options)
    lab = Lab(tmp_path)

    result = lab.go(randnum, unix(host, slots=2), sweep={"repeat": list(range(8))}, reliability=Reliability(task_time_limit=60))

    assert result.state == "completed"
    assert sorted(path.parent.name for path in (lab.folder(result) / "output").glob("*/signed_randnum")) == sorted(
        map(str, range(1, 9))
    )
    assert host.connections() == 1
    assert left_on(host) == []
    assert not list(host.home.glob("**/.chiminey/*"))


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that all hosts see, as one that comes from a file server."""
    with TemporaryDirectory(dir="/var/tmp") as name:  # each host has a /tmp of its own
        os.chown(name, USER_ID, GROUP_ID)
        yield Path(name)


def test_hosts_with_one_file_server_do_not_meet_there(farm: Farm, tmp_path: Path, common: Path) -> None:
    main = 'hostname >"$2/host"; cat ../../../payload/ready >"$2/ready"; echo "$CHIMINEY_RUN_ID" >"$2/run"; sleep 1\n'
    sample = connector(tmp_path, main, bootstrap="sleep 2; hostname >ready\n")
    lab = Lab(tmp_path)

    result = lab.go(sample, unix(*farm(2), slots=2, scratch=str(common)), sweep={"n": list(range(8))})

    assert (result.state, result.tasks.completed) == ("completed", 8)
    tasks = list((lab.folder(result) / "output_0").glob("*/host"))
    assert len({task.read_text() for task in tasks}) == 2
    assert all(task.read_text() == task.with_name("ready").read_text() for task in tasks)
    assert {task.with_name("run").read_text() for task in tasks} == {f"{result.run_id}\n"}
    assert list(common.iterdir()) == []


def test_a_run_over_a_slow_link_asks_as_often_for_ten_tasks_as_for_two_hundred(farm: Farm, tmp_path: Path) -> None:
    host = farm.slow(0.1)
    asked: list[int] = []
    took = 0.0
    for number in (10, 200):
        host.reset()  # it may notice late that an earlier run has hung up, and would then count two connections
        lab = Lab(tmp_path / str(number))
        began = time.monotonic()
        result = lab.go(randnum, unix(host, slots=4), sweep={"repeat": list(range(number))})
        took = time.monotonic() - began
        assert result.tasks.completed == number
        asked.append(sum(lab.round_trips.values()))
        assert host.most_connections_at_once() == 1

    more = 4 + took  # a longer run is looked at a few times more
    assert asked[1] <= asked[0] + more, f"round trips for 10 and 200 tasks: {asked}, in {took:.0f} s"
