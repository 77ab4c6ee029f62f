"""docs/schedulers.md: a connector runs on the imaginary scheduler, with the code of the page as it stands there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from blocks.compute import ComputeResource
from blocks.errors import InvalidRequest, ResourceError, RunFailed
from blocks.job import JobRequest
from flows.request import Reliability
from scripts.reference import ROOT
from tests.clusters.engine import access
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.cluster, pytest.mark.ssh]

PAGE = (ROOT / "docs" / "schedulers.md").read_text(encoding="utf-8")
FILES = re.findall(r"^```python (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ANSWER = 'echo "$CHIMINEY_TASK_ID" >"$2/answer"\n'

# The scheduler: it begins all elements of an array at once, and knows how each ended. A job in the queue "never" stays there.
QUILL = r"""#!/bin/sh
jobs="$HOME/quill"
mkdir -p "$jobs"
named() { # NAME...: the jobs with these names
    for name in "$@"; do grep -lx "$name" "$jobs"/*/name 2>/dev/null; done |
        while read -r file; do basename "${file%/name}"; done
}
told() { # GREP'S OPTION, NAME...: the elements that are live (-l), or the others (-L)
    option=$1; shift
    for job in $(named "$@"); do
        for file in $(cd "$jobs/$job/elements" && grep "$option" -E "^(waiting|working)" *); do
            echo "element $job $file $(cat "$jobs/$job/elements/$file")"
        done
    done
}
option() { sed -n "s/^#QUILL $1 //p" "$2"; }
word=$1
shift
case $word in
submit)
    [ "$(option queue "$1")" != nowhere ] || { echo "quill: there is no queue nowhere" >&2; exit 1; }
    job=$(($(ls "$jobs" | wc -l) + 1))
    last=$(sed -n "s/^#QUILL elements 1-//p" "$1")
    mkdir -p "$jobs/$job/elements"
    option name "$1" >"$jobs/$job/name"
    limit=$(option seconds "$1")
    index=0
    while [ "$index" -lt "$last" ]; do
        index=$((index + 1)) element="$jobs/$job/elements/$index"
        if [ "$(option queue "$1")" = never ]; then echo "waiting too-large -" >"$element"; continue; fi
        echo "working - node" >"$element"
        (
            export QUILL_INDEX="$index" QUILL_FROM="$PWD"
            timeout -s KILL "${limit:-0}" sh "$1"
            case $? in 0) end=finished ;; 124|137) end=overtime ;; *) end=failed ;; esac
            echo "$end - node" >"$element.new" && mv "$element.new" "$element"
        ) </dev/null >/dev/null 2>&1 &
    done
    echo "$job" ;;
jobs) named "$1" | head -n 1 ;;
live) told -l "$@" ;;
ended) told -L "$@" ;;
cancel)
    [ "$1" != --kill ] || shift
    for job in $(named "$@"); do
        for element in "$jobs/$job/elements"/*; do ! grep -q ^waiting "$element" || echo "removed - -" >"$element"; done
    done ;;
about) printf '3.1\n1000\nshort, at most a day\n' ;;
esac
"""


@pytest.fixture(scope="module")
def kind() -> Iterator[type[ComputeResource]]:
    """The resource of the page, made from its files."""
    modules: dict[str, ModuleType] = {}
    for path, text in FILES:
        name = path.removesuffix(".py").replace("/", ".")
        modules[name] = sys.modules[name] = ModuleType(name)
        exec(compile(text, path, "exec"), vars(modules[name]))
    yield modules["blocks.compute.quill"].QuillCompute
    for name in modules:
        del sys.modules[name]


@pytest.fixture
def login(farm: Farm) -> SSHD:
    """A login node with the commands of the scheduler."""
    (host,) = farm(1)
    (host.home / ".profile").write_text('echo "Welcome!"; PATH="$HOME/bin:$PATH"\n')  # as at many sites: for a login only
    program = host.home / "bin" / "quill"
    program.parent.mkdir()
    program.write_text(QUILL)
    program.chmod(0o755)
    return host


def quill(kind: Any, host: SSHD) -> ComputeResource:
    return kind(**access(host))


def test_a_connector_runs_on_the_scheduler_of_the_page(kind: type[ComputeResource], login: SSHD, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    result = lab.go(
        connector(tmp_path / "c", ANSWER, compute=("quill",)),
        quill(kind, login),
        sweep={"n": list(range(12))},
        job=JobRequest(tasks_per_job=3),
    )
    assert sorted(path.read_text() for path in (lab.results / result.name / "output_0").glob("*/answer")) == sorted(
        f"{number}\n" for number in range(1, 13)
    )
    assert len(list((login.home / "quill").iterdir())) == 1
    assert any("Quill 3.1" in line for line in lab.view.messages)


def test_what_the_scheduler_of_the_page_says_reaches_the_user(kind: type[ComputeResource], login: SSHD, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "c", ANSWER, compute=("quill",))
    with pytest.raises(InvalidRequest, match="Quill has no quality of service"):
        lab.go(sample, quill(kind, login), job=JobRequest(qos="high"))
    with pytest.raises(RunFailed, match="Quill refuses the job: quill: there is no queue nowhere"):
        lab.go(sample, quill(kind, login), job=JobRequest(partition="nowhere"))
    with pytest.raises(RunFailed, match="Quill would never begin its job: too-large"):
        lab.go(sample, quill(kind, login), job=JobRequest(partition="never"))
    slow = connector(tmp_path / "slow", "sleep 600\n", compute=("quill",))
    with pytest.raises(RunFailed, match="Quill says overtime of its job"):
        lab.go(slow, quill(kind, login), job=JobRequest(wall_time="2s"), reliability=Reliability(on_timeout="fail"))


def test_a_host_without_the_scheduler_is_an_error_that_says_what_to_do(
    kind: type[ComputeResource], login: SSHD, tmp_path: Path
) -> None:
    (login.home / ".profile").unlink()
    with pytest.raises(ResourceError, match="there is no quill command on this host"):
        quill(kind, login).check()
    with pytest.raises(ResourceError, match="there is no quill command on this host"):
        Lab(tmp_path).go(connector(tmp_path / "c", ANSWER, compute=("quill",)), quill(kind, login))
