"""What a run has in HDFS, as a shell on the gateway makes and removes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.hadoop.scripts import Site, begin, check, end, find

# An HDFS in the folder hdfs of the home, where relative paths are below user/me; so many changes as the file says are refused.
HDFS = """#!/bin/sh
echo "$*" >>"$HOME/asked"
place() { case $1 in /*) echo "$HOME/hdfs$1" ;; *) echo "$HOME/hdfs/user/me/$1" ;; esac; }
safe=$(cat "$HOME/safe" 2>/dev/null || echo 0)
case $* in
    *-stat*)
        ! grep -qs UnknownHost "$HOME/refusal" || exit 1
        echo me ;;
    *-mkdir*)
        [ "$safe" -eq 0 ] || { echo $((safe - 1)) >"$HOME/safe"; echo "Name node is in safe mode" >&2; exit 1; }
        [ ! -e "$HOME/refusal" ] || { cat "$HOME/refusal" >&2; exit 1; }
        mkdir -p "$(place "$6")"
        [ ! -e "$HOME/over" ] || rm -r "$HOME/scratch/r1" ;;
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
    *-list*)
        [ ! -e "$HOME/silence" ] || { cat "$HOME/silence" >&2; exit 255; }
        echo "Total number of applications:" ;;
    *queue*) printf 'Queue Name : q\\n\\tState : %s\\n' "$(cat "$HOME/state")" ;;
esac
"""
CORE = "<configuration><property><name>fs.defaultFS</name><value>hdfs://master:8020</value></property></configuration>\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with Hadoop in it, and a run's folder."""
    (tmp_path / "hadoop/bin").mkdir(parents=True)
    sleep = '#!/bin/sh\n[ "$1" != 5 ] || set -- 0.1\nexec /usr/bin/sleep "$@"\n'
    for name, text in {"hadoop": "#!/bin/sh\necho Hadoop 3\n", "hdfs": HDFS, "yarn": YARN, "sleep": sleep}.items():
        (tmp_path / "hadoop/bin" / name).write_text(text)
        (tmp_path / "hadoop/bin" / name).chmod(0o755)
    (tmp_path / "hadoop/etc/hadoop").mkdir(parents=True)
    (tmp_path / "hadoop/etc/hadoop/core-site.xml").write_text(CORE)
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


@pytest.mark.parametrize(
    "refusal", ["mkdir: Permission denied: user=me, access=EXECUTE", "java.net.UnknownHostException: master"]
)
def test_a_folder_that_was_refused_is_told_at_once_and_not_looked_for_at_the_end(home: Path, refusal: str) -> None:
    (home / "refusal").write_text(f"{refusal}\n")
    result = done(home, begin("scratch", based("/private/x"), "r1"))
    assert f"chiminey: the folder /private/x can't be used in HDFS: {refusal}" in result.stderr
    assert not (home / "scratch/r1/hdfs").exists()
    (home / "asked").unlink()
    assert done(home, end("scratch", based("/private/x"), "r1")).returncode == 0
    assert not (home / "asked").exists()


def test_a_refusal_of_another_folder_does_not_forget_what_the_run_has(home: Path) -> None:
    done(home, begin("scratch", based("/old"), "r1"))
    (home / "refusal").write_text("Permission denied\n")
    done(home, begin("scratch", based("/private"), "r1"))
    assert (home / "scratch/r1/hdfs").read_text() == "/old/r1\n"


def test_a_run_that_ended_while_its_folder_was_made_leaves_none(home: Path) -> None:
    (home / "over").touch()
    result = done(home, begin("scratch", based("/data"), "r1"))
    assert "the run has ended meanwhile" in result.stderr
    assert left(home) == []


@pytest.mark.parametrize(
    ("silence", "told"),
    [
        ("UnrecognizedOptionException: Unrecognized option: -appTags", "this Hadoop can't list applications by their tags"),
        (
            "INFO: Connecting\nmaster:8032 failed on connection exception",
            "YARN does not answer: master:8032 failed on connection",
        ),
        (
            "java.io.IOException: no ticket\n\tat org.apache.Client.main(Client.java:1)\n\t... 16 more",
            "YARN does not answer: java.io.IOException: no ticket",
        ),
    ],
)
def test_a_yarn_that_says_nothing_of_applications_is_told_from_an_old_one(home: Path, silence: str, told: str) -> None:
    (home / "silence").write_text(f"{silence}\n")
    result = done(home, check("scratch", based("chiminey")))
    assert f"chiminey: {told}" in result.stderr
    assert result.returncode == 125


def test_a_hadoop_that_is_too_old_is_told_before_a_run(home: Path) -> None:
    (home / "hadoop/bin/hadoop").write_text("#!/bin/sh\necho Hadoop 2.10.2\necho Subversion Unknown -r 0\n")
    result = done(home, find("scratch", based("chiminey")))
    assert "chiminey: this is Hadoop 2.10.2, which can't list applications by their tags; Hadoop 3 is needed" in result.stderr
    assert result.returncode == 125


def test_a_refusal_is_told_at_once_while_only_one_of_two_name_nodes_is_in_safe_mode(home: Path) -> None:
    (home / "refusal").write_text("Permission denied\n")
    two = HDFS.replace('echo "Safe mode is OFF"', 'printf "Safe mode is ON in one\\nSafe mode is OFF in two\\n"')
    (home / "hadoop/bin/hdfs").write_text(two)
    result = done(home, begin("scratch", based("/data"), "r1"))
    assert "Permission denied" in result.stderr
    assert not (home / "scratch/r1/hdfs").exists()
    assert (home / "asked").read_text().count("-mkdir") == 2
