"""What is known of a task's applications as a shell on the gateway asks YARN for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.hadoop.scripts import Site, functions

HEAD = "Total number of applications (application-types: [], states: [] and tags: [t]):1"
LINE = "application_1_0001\tsort\tMAPREDUCE\tme\tdefault\t{state}\t{final}\t100%\tN/A"
# Answers one after the other, the last for ever; an empty one is that of a resource manager that is away.
YARN = """#!/bin/sh
number=$(cat asked 2>/dev/null || echo 0)
echo $((number + 1)) >asked
[ -e "answer-$number" ] || number=last
[ -s "answer-$number" ] || { echo "Call From gateway to master:8032 failed on connection exception" >&2; exit 255; }
cat "answer-$number"
"""


ENDS = {1: "SUCCEEDED", 2: "FAILED", 3: "KILLED", 4: "SUCCEEDED"}
STATUS = f"#!/bin/sh\nprintf '\\tDiagnostics : why {'o' * 2000}\\n'\n"
SLEEP = """#!/bin/sh
[ "$1" != 5 ] || set -- 0.1
exec /usr/bin/sleep "$@"
"""


def shell(folder: Path, script: str, yarn: str) -> subprocess.CompletedProcess[str]:
    """What a script behind the functions does with such a YARN."""
    (folder / "bin").mkdir()
    for name, text in {"yarn": yarn, "sleep": SLEEP}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    script = f"{functions(Site('', '', 'chiminey', '', '', '', {}), 'r1')}{script}"
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def awaited(folder: Path, *answers: str, stopped: str = "") -> subprocess.CompletedProcess[str]:
    """How the waiting ends when YARN answers so."""
    for number, answer in enumerate(answers):
        (folder / f"answer-{number}").write_text(answer)
    (folder / "answer-last").write_text(answers[-1])
    return shell(folder, f"tag=t stopped={stopped}\nawait", YARN)


def told(state: str = "", final: str = "") -> str:
    return f"{HEAD}\n{LINE.format(state=state, final=final) if state else ''}\n"


def test_a_task_without_applications_is_done(tmp_path: Path) -> None:
    assert awaited(tmp_path, told()).returncode == 0


@pytest.mark.parametrize(("final", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("KILLED", 1)])
def test_an_application_that_nobody_waited_for_decides(tmp_path: Path, final: str, code: int) -> None:
    assert awaited(tmp_path, told("RUNNING", "UNDEFINED"), told("FINISHED", final)).returncode == code


def test_an_application_that_yarn_forgot_is_no_success(tmp_path: Path) -> None:
    result = awaited(tmp_path, told("RUNNING", "UNDEFINED"), told())
    assert result.returncode == 1
    assert "YARN no longer knows application_1_0001, nor how it ended" in result.stderr


def test_a_yarn_that_is_away_for_a_while_is_asked_again(tmp_path: Path) -> None:
    result = awaited(tmp_path, "", "", "", told("RUNNING", "UNDEFINED"), "", told("FINISHED", "FAILED"))
    assert result.returncode == 1
    assert "is not known" not in result.stderr


def test_an_application_that_had_failed_before_main_sh_ended_was_seen_by_main_sh(tmp_path: Path) -> None:
    assert awaited(tmp_path, told("FINISHED", "FAILED")).returncode == 0


def test_a_yarn_that_stays_away_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.hadoop.scripts.AWAY_SECONDS", 2)
    result = awaited(tmp_path, "")
    assert result.returncode == 1
    assert "Call From gateway to master:8032 failed" in result.stderr
    assert "it is not known whether an application of the task still runs" in result.stderr
    assert int((tmp_path / "asked").read_text()) > 1


def test_a_yarn_that_goes_away_for_good_while_an_application_runs_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.hadoop.scripts.AWAY_SECONDS", 2)
    result = awaited(tmp_path, told("RUNNING", "UNDEFINED"), "")
    assert result.returncode == 1
    assert "it is not known whether an application of the task still runs" in result.stderr


def test_a_yarn_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.hadoop.scripts.ANSWER_SECONDS", 1)
    result = shell(tmp_path, "applications t", "#!/bin/sh\nexec /usr/bin/sleep 600\n")
    assert result.returncode == 1
    assert result.stderr == "YARN can not be asked:\nno answer came within 1 seconds\n"


def test_a_task_that_is_stopped_asks_no_more(tmp_path: Path) -> None:
    assert awaited(tmp_path, "", stopped="yes").returncode == 1
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "\t\n\t", "a\tb\nc", " a "])
def test_an_application_is_known_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "answer").write_text(f"{HEAD}\n{LINE.format(state='RUNNING', final='UNDEFINED').replace('sort', name)}\n")
    result = shell(tmp_path, "applications t", "#!/bin/sh\ncat answer\n")
    first, *_ = result.stdout.splitlines()
    assert first.split("\t")[:4] == ["application_1_0001", "MAPREDUCE", "RUNNING", "UNDEFINED"]
    assert len(result.stdout.splitlines()) == 1
    assert result.returncode == 0


def test_what_failed_is_told_last_and_in_short(tmp_path: Path) -> None:
    known = "\n".join(f"application_1_{number}\tSPARK\tFINISHED\t{final}\tsort" for number, final in ENDS.items())
    result = shell(tmp_path, f"known='{known}'\ntell", STATUS)
    lines = result.stderr.splitlines()
    assert [line.split()[1] for line in lines if "sort" in line] == [f"application_1_{number}" for number in (1, 4, 3, 2)]
    assert lines[-1].startswith("chiminey: application_1_2: why ooo")
    assert "application_1_2 (sort, SPARK): FINISHED, FAILED" in result.stderr[-500:]  # of which a message consists


def test_an_application_that_waits_is_the_tasks_that_printed_its_id_and_not_a_longer_one(tmp_path: Path) -> None:
    for task, number in {"1": "0001", "2": "00012"}.items():
        (tmp_path / "batches/b1" / task).mkdir(parents=True)
        (tmp_path / "batches/b1" / task / "stderr").write_text(f"Submitted application application_1_{number}\n")
    (tmp_path / "answer").write_text(told("ACCEPTED", "UNDEFINED"))
    assert shell(tmp_path, "waiting", "#!/bin/sh\ncat answer\n").stdout == "application_1_0001 b1/1\n"
