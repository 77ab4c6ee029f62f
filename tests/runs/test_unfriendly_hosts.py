"""Hosts as they are in life: each of these set-ups runs the same connector, over one connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.randnum import randnum
from flows import Reliability
from tests.engine import Lab, left_on, unix
from tests.servers.farm import Farm

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
def test_a_run_succeeds_over_one_connection_on_a_host_with(options: dict[str, Any], farm: Farm, tmp_path: Path) -> None:
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


def test_a_run_over_a_slow_link_asks_as_often_for_ten_tasks_as_for_two_hundred(farm: Farm, tmp_path: Path) -> None:
    host = farm.slow(0.1)
    asked: list[int] = []
    for number in (10, 200):
        lab = Lab(tmp_path / str(number))
        result = lab.go(randnum, unix(host, slots=4), sweep={"repeat": list(range(number))})
        assert result.tasks.completed == number
        asked.append(sum(lab.round_trips.values()))

    assert asked[1] <= asked[0] + 4, f"round trips for 10 and 200 tasks: {asked}"  # a longer run is looked at a few times more
    assert host.most_connections_at_once() == 1
