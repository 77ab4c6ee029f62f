"""A task on a Hadoop gateway from its beginning to its end, under the real runner, with commands that only look like Hadoop's."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from blocks.hadoop.scripts import Site, around
from blocks.remote.scripts import RUNNER

# The state of the application that there is, if any: its state and final state.
YARN = """#!/bin/sh
echo "yarn $*" >>"$HOME/asked"
sleep 0.3
case $* in
    *-list*)
        [ ! -e "$HOME/yarn-is-away" ] || { echo "master:8032 failed on connection exception" >&2; exit 255; }
        echo "Total number of applications:"
        [ ! -e "$HOME/application" ] ||
            printf 'application_1_0001\\tsort\\tMAPREDUCE\\tme\\tdefault\\t%s\\t%s\\t1%%\\tN/A\\n' $(cat "$HOME/application") ;;
    *-kill*) [ ! -e "$HOME/application" ] || echo KILLED KILLED >"$HOME/application" ;;
    *-status*) printf '\\tDiagnostics : it was so\\n' ;;
esac
echo answered >>"$HOME/asked"
"""
SLOW_YARN = YARN.replace("sleep 0.3", "sleep 1.5")  # longer than from one word of the runner's to the next
MAPRED = """#!/bin/sh
echo "mapred $*" >>"$HOME/asked"
"""
# For as many questions as the file says, HDFS is away.
HDFS = """#!/bin/sh
echo "hdfs $*" >>"$HOME/asked"
away=$(cat "$HOME/hdfs-is-away" 2>/dev/null || echo 0)
if [ "$away" -gt 0 ]; then
    echo $((away - 1)) >"$HOME/hdfs-is-away"
    echo "master:8020 failed on connection exception" >&2
    exit 1
fi
case $* in
    *-put*) cp -R "$3" "$HOME/put" ;;
    *-get*)
        [ ! -e "$HOME/one-file" ] || { echo x >"$4"; exit; }
        [ ! -e "$HOME/no-output" ] && mkdir "$4" && echo x >"$4/answer" ;;
esac
"""
SLEEP = """#!/bin/sh
[ "$1" != 5 ] || set -- 0.2
exec /usr/bin/sleep "$@"
"""


class Gateway:
    """A host with a run of one task, and commands of Hadoop's."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self._run = folder / "run"
        (self.home / "hadoop/etc/hadoop").mkdir(parents=True)
        (self.home / "hadoop/etc/hadoop/core-site.xml").write_text("<configuration/>\n")
        for name, text in {"yarn": YARN, "mapred": MAPRED, "hdfs": HDFS, "sleep": SLEEP, "hadoop": "#!/bin/sh\n"}.items():
            self.program(name, text)
        (self._run / "payload/process_payload").mkdir(parents=True)
        (self._run / "runner.sh").write_bytes(RUNNER)
        (self._run / "around.sh").write_text(around(Site("hadoop", "", "chiminey", "", "", "", {}), "r1"))
        (self._run / "place").write_text("/user/me/chiminey/r1\n")
        (self._run / "ended").touch()

    def program(self, name: str, text: str) -> None:
        """A command of Hadoop's."""
        path = self.home / "hadoop/bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, main: str, batch: str = "b1", limit: int = 0, hadoop: str = "", shell: str = "bash") -> str:
        """How a task ends: the exit code in the name of its marker."""
        (self._run / "payload/process_payload/main.sh").write_text(main)
        folder = self._run / "batches" / batch
        for name in ("1/chiminey_output", "1/smart_connector_input", "claimed", "slot", "left", "done", "timed"):
            (folder / name).mkdir(parents=True)
        (folder / "environment").write_text(f"export CHIMINEY_HADOOP='{hadoop}' grace='60'\n")
        (folder / "tasks").write_text("1 1 -\n")
        (folder / "tick").write_text(f"{int(time.time())}\n")
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}
        command = [shell, "runner.sh", "r1", batch, "1", str(limit), "-"]
        # Not through pipes, which what a task leaves behind would hold open.
        with (self._run / "log").open("ab") as log:
            subprocess.run(command, cwd=self._run, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        (marker,) = (folder / "done").iterdir()
        return marker.name.removeprefix("1.")

    def printed(self, batch: str = "b1") -> str:
        """The error output of a task."""
        return (self._run / "batches" / batch / "1/stderr").read_text()

    def output(self, batch: str = "b1") -> list[str]:
        """The names of what a task has brought from HDFS."""
        return sorted(path.name for path in (self._run / "batches" / batch / "1/chiminey_output").iterdir())

    def asked(self, words: str) -> int:
        """How often Hadoop's commands were asked for something."""
        log = self.home / "asked"
        return sum(words in line for line in log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """One whose tasks do not wait for a YARN that is away."""
    monkeypatch.setattr("blocks.hadoop.scripts.AWAY_SECONDS", 0)
    return Gateway(tmp_path)


RUNNING = 'echo RUNNING UNDEFINED >"$HOME/application"\n'


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_task_that_is_out_of_time_ends_its_applications_before_it_ends(gateway: Gateway, shell: str) -> None:
    gateway.program("yarn", SLOW_YARN)
    assert gateway.run(RUNNING + "sleep 600\n", limit=10, shell=shell) == "timeout"
    assert (gateway.home / "application").read_text() == "KILLED KILLED\n"
    assert gateway.asked("mapred job -kill job_1_0001") == 1
    assert gateway.asked("hdfs dfs -rm -r -f -skipTrash /user/me/chiminey/r1/b1-1-input") == 1
    assert "application_1_0001 (sort, MAPREDUCE): KILLED, KILLED" in gateway.printed()


@pytest.mark.slow
def test_a_task_that_is_out_of_time_while_it_waits_for_an_application_ends_it(gateway: Gateway) -> None:
    gateway.program("yarn", SLOW_YARN)
    assert gateway.run(RUNNING, limit=10) == "timeout"
    assert (gateway.home / "application").read_text() == "KILLED KILLED\n"


def test_what_main_sh_leaves_at_work_is_waited_for_and_what_it_submits_decides(gateway: Gateway) -> None:
    submit = 'echo FINISHED FAILED >"$HOME/application"'
    job = f'(until grep -q answered "$HOME/asked"; do sleep 0.1; done; {submit}; sleep 1) 2>/dev/null &\n'
    assert gateway.run(job) == "1"
    assert "application_1_0001 (sort, MAPREDUCE): FINISHED, FAILED\nchiminey: application_1_0001: it was so" in gateway.printed()


def test_a_daemon_that_main_sh_leaves_is_not_waited_for(gateway: Gateway) -> None:
    main = 'setsid sh -c \'echo $$ >"$HOME/daemon"; exec sleep 600\' &\nuntil [ -s "$HOME/daemon" ]; do sleep 0.1; done\n'
    try:
        assert gateway.run(main) == "0"
    finally:
        subprocess.run(["kill", (gateway.home / "daemon").read_text().strip()], check=True)


@pytest.mark.parametrize("code", [0, 3])
def test_main_sh_itself_says_what_an_application_means_that_ended_before_it_did(gateway: Gateway, code: int) -> None:
    assert gateway.run(f'echo FINISHED FAILED >"$HOME/application"\nexit {code}\n') == str(code)
    assert "application_1_0001: it was so" in gateway.printed()


ALONE = RUNNING + 'true >"$HOME/yarn-is-away"; exit 1\n'


def test_the_next_attempt_ends_first_what_the_one_before_it_could_not_end(hasty: Gateway) -> None:
    assert hasty.run(ALONE) == "1"
    assert "applications of the task may still run in YARN" in hasty.printed()
    (hasty.home / "yarn-is-away").unlink()
    assert hasty.run('[ "$(cat "$HOME/application")" = "KILLED KILLED" ]', "b2") == "0"


def test_an_attempt_does_not_begin_while_one_before_it_may_have_applications(hasty: Gateway) -> None:
    assert hasty.run(ALONE) == "1"
    assert hasty.run('true >"$HOME/begun"', "b2") == "1"
    assert not (hasty.home / "begun").exists()
    (hasty.home / "yarn-is-away").unlink()
    assert hasty.run("", "b3") == "0"
    assert hasty.asked("-appTags chiminey-r1-b1-1,chiminey-r1-b2-1,chiminey-r1-b3-1") > 0
    assert (hasty.home / "application").read_text() == "KILLED KILLED\n"


@pytest.mark.parametrize(("hadoop", "verb"), [("input", "-put"), ("output", "-get")])
def test_what_could_not_be_moved_while_hdfs_was_away_is_moved_when_it_is_back(gateway: Gateway, hadoop: str, verb: str) -> None:
    (gateway.home / "hdfs-is-away").write_text("4")
    assert gateway.run("", hadoop=hadoop) == "0"
    assert gateway.asked(verb) == 3
    assert gateway.output() == (["answer"] if hadoop == "output" else [])


def test_an_output_that_is_not_there_is_not_waited_for(gateway: Gateway) -> None:
    (gateway.home / "no-output").touch()
    assert gateway.run("", hadoop="output") == "1"
    assert gateway.asked("-get") == 2
    assert "the output could not be fetched from HDFS" in gateway.printed()


def test_an_output_that_is_one_file_is_brought_home_as_one(gateway: Gateway) -> None:
    (gateway.home / "one-file").touch()
    assert gateway.run("", hadoop="output") == "0"
    assert gateway.output() == ["output"]


def test_an_attempt_whose_shell_was_killed_has_no_application_beside_the_next(gateway: Gateway) -> None:
    assert gateway.run(RUNNING + "kill -s KILL $PPID\n") == "137"
    assert gateway.run('[ "$(cat "$HOME/application")" = "KILLED KILLED" ]', "b2") == "0"
    assert gateway.run("", "b3") == "0"
    assert gateway.asked("-kill") == 2, "what has ended well is not ended again"


def test_what_yarn_says_is_the_last_word_of_a_task(gateway: Gateway) -> None:
    gateway.program("hdfs", HDFS.replace("case $*", 'echo "WARN native code is not there" >&2\ncase $*', 1))
    assert gateway.run('echo FINISHED FAILED >"$HOME/application"\nexit 3\n') == "3"
    assert gateway.printed().endswith("application_1_0001: it was so\n")
