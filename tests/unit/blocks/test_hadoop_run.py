"""What a run has in HDFS, as a shell on the gateway makes and removes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.hadoop.scripts import Site, begin, check, end

# An HDFS in the folder hdfs of the home, where relative paths are below user/me; so many changes as the file says are refused.
HDFS = """#!/bin/sh
echo "$*" >>"$HOME/asked"
place() { case $1 in /*) echo "$HOME/hdfs$1" ;; *) echo "$HOME/hdfs/user/me/$1" ;; esac; }
safe=$(cat "$HOME/safe" 2>/dev/null || echo 0)
case $* in
    *-stat*) echo me ;;
    *-mkdir*)
        [ "$safe" -eq 0 ] || { echo $((safe - 1)) >"$HOME/safe"; echo "Name node is in safe mode" >&2; exit 1; }
        mkdir -p "$(place "$6")" ;;
    *-rm*)
        shift 5
        for path; do ls -d "$(place "$path")" 2>/dev/null; done >"$HOME/there"
        while read -r path; do rm -r "$path" || exit; done <"$HOME/there" ;;
    *-safemode*) [ "$safe" -eq 0 ] && echo "Safe mode is OFF" || echo "Safe mode is ON" ;;
    *-df*) echo "hdfs://master 1000 0 1000 0%" ;;
esac
"""
YARN = """#!/bin/sh
case $* in
    *-list*) echo "Total number of applications:" ;;
    *queue*) printf 'Queue Name : q\\n\\tState : %s\\n' "$(cat "$HOME/state")" ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with Hadoop in it, and a run's folder."""
    (tmp_path / "hadoop/bin").mkdir(parents=True)
    sleep = '#!/bin/sh\n[ "$1" != 5 ] || set -- 0.1\nexec /usr/bin/sleep "$@"\n'
    for name, text in {"hadoop": "#!/bin/sh\necho Hadoop 3\n", "hdfs": HDFS, "yarn": YARN, "sleep": sleep}.items():
        (tmp_path / "hadoop/bin" / name).write_text(text)
        (tmp_path / "hadoop/bin" / name).chmod(0o755)
    (tmp_path / "hdfs/user/me").mkdir(parents=True)
    (tmp_path / "scratch/r1").mkdir(parents=True)
    return tmp_path


def based(base: str, queue: str = "") -> Site:
    return Site("~/hadoop", "", base, queue, "", "", {})


def done(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{home}/hadoop/bin:/usr/bin:/bin", "HOME": str(home)}
    return subprocess.run(["sh", "-c", script], cwd=home, env=environment, capture_output=True, text=True, check=False)


def left(home: Path) -> list[str]:
    """The folders of runs in HDFS."""
    return sorted(str(path.relative_to(home / "hdfs")) for path in (home / "hdfs").rglob("r1"))


@pytest.mark.parametrize(("base", "place"), [("chiminey", "/user/me/chiminey/r1"), ("/data", "/data/r1")])
def test_a_run_has_one_place_which_goes_at_its_end(home: Path, base: str, place: str) -> None:
    result = done(home, begin("scratch", based(base), "r1"))
    assert result.returncode == 0, result.stderr
    assert (home / "scratch/r1/place").read_text() == f"{place}\n"
    assert left(home) == [place[1:]]
    assert done(home, end("scratch", based(base), "r1")).returncode == 0
    assert left(home) == []


def test_what_a_run_has_goes_also_when_the_resource_has_another_folder_meanwhile(home: Path) -> None:
    done(home, begin("scratch", based("/old"), "r1"))
    done(home, begin("scratch", based("new"), "r1"))  # as a run that is gone on with
    assert left(home) == ["old/r1", "user/me/new/r1"]
    result = done(home, end("scratch", based("/other"), "r1"))
    assert result.returncode == 0, result.stderr
    assert left(home) == []


def test_what_a_run_has_goes_also_when_it_has_two_names(home: Path) -> None:
    done(home, begin("scratch", based("chiminey"), "r1"))
    with (home / "scratch/r1/hdfs").open("a") as places:
        places.write("chiminey/r1\n")  # as of somebody who was beginning it anew, and was ended
    assert done(home, end("scratch", based("chiminey"), "r1")).returncode == 0
    assert left(home) == []


def test_a_run_begins_when_hdfs_has_started(home: Path) -> None:
    (home / "safe").write_text("2")
    result = done(home, begin("scratch", based("chiminey"), "r1"))
    assert result.returncode == 0, result.stderr
    assert left(home) == ["user/me/chiminey/r1"]


@pytest.mark.parametrize(("state", "code"), [("RUNNING", 0), ("STOPPED", 125), ("DRAINING", 125)])
def test_a_queue_that_takes_no_applications_is_found_by_a_check(home: Path, state: str, code: int) -> None:
    (home / "state").write_text(state)
    result = done(home, check("scratch", based("chiminey", "fast")))
    assert result.returncode == code
    assert ("YARN's queue fast takes no applications: it is" in result.stderr) == bool(code)
