"""Jobs are ended also where the scheduler does not answer now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blocks.errors import CommandFailed
from blocks.remote.session import whole
from blocks.scheduler import ending
from blocks.scheduler.scripts import submit
from blocks.scheduler.slurm import Slurm
from blocks.transport.local import LocalTransport
from blocks.tree import file

# It has no job, which it does not tell at once.
SQUEUE = """#!/bin/sh
echo asked >>"$HOME/asked"
[ "$(wc -l <"$HOME/asked")" -gt {silent} ] || { echo "Unable to contact slurm controller" >&2; exit 1; }
"""


@pytest.fixture
def login_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalTransport:
    """A home with a batch of the run r1, and a scheduler beside it."""
    home = tmp_path / "home"
    for folder in ("scheduler", "scratch/r1/batches/b1"):
        (home / folder).mkdir(parents=True)
    (home / "scratch/r1/batches/b1/names").write_text("1 r1.b1.1\n")
    (home / "scratch/r1/batches/b1/job.1").write_text("17\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/scheduler:/usr/bin:/bin")
    return LocalTransport()


def offer(home: Path, silent: int) -> None:
    """A scheduler that leaves so many questions unanswered at first, on a machine where nobody sleeps."""
    for name in ("squeue", "scancel", "sbatch", "sleep"):
        program = home / "scheduler" / name
        program.write_text(SQUEUE.replace("{silent}", str(silent)) if name == "squeue" else "#!/bin/sh\n")
        program.chmod(0o755)


def test_a_question_that_was_not_answered_is_asked_again(login_node: LocalTransport) -> None:
    offer(Path.home(), silent=2)
    login_node.run(ending.clean("scratch", "r1", Slurm()))
    assert list((Path.home() / "scratch").iterdir()) == []


def test_before_a_batch_is_given_up_the_scheduler_is_asked_again(login_node: LocalTransport) -> None:
    offer(Path.home(), silent=2)
    assert b"batch b1 stopped" in login_node.run(ending.fence("scratch", "r1", ["b1"], Slurm()))


def test_a_scheduler_that_never_answers_keeps_the_folder(login_node: LocalTransport) -> None:
    offer(Path.home(), silent=100)
    with pytest.raises(CommandFailed, match="Slurm does not answer: Unable to contact slurm controller"):
        login_node.run(ending.clean("scratch", "r1", Slurm()))
    assert (Path.home() / "scratch/r1/batches/b1/job.1").exists()


def test_one_that_takes_a_job_for_too_long_keeps_the_folder(login_node: LocalTransport) -> None:
    offer(Path.home(), silent=0)
    (Path.home() / "scratch/r1/batches/b1/submitting").mkdir()
    with pytest.raises(CommandFailed, match="Slurm is still taking a job"):
        login_node.run(ending.clean("scratch", "r1", Slurm()))
    assert (Path.home() / "scratch/r1/batches/b1/stop").exists()


def test_a_batch_that_arrives_while_its_run_is_being_ended_is_not_submitted(login_node: LocalTransport) -> None:
    home = Path.home()
    offer(home, silent=0)
    (home / "scheduler/squeue").write_text('#!/bin/sh\n[ ! -e "$HOME/busy" ] || exit 1\n')
    (home / "scheduler/sleep").write_text("#!/bin/sh\nexec /bin/sleep 2\n")
    (home / "scheduler/sbatch").write_text('#!/bin/sh\ntouch "$HOME/submitted"\necho 18\n')
    (home / "busy").touch()
    batch = b"".join(whole([file("array.1", b"#!/bin/sh\n")]))

    def arriving() -> Iterator[bytes]:
        yield batch[:512]
        wait_for(home / "scratch/r1/batches/b1/stop")
        yield batch[512:]

    with ThreadPoolExecutor(2) as pool:
        submitted = pool.submit(login_node.run, submit("scratch", "r1", "b2", Slurm(), ["r1.b2.1"]), arriving())
        wait_for(home / "scratch/r1", "arriving-*")
        cleaned = pool.submit(login_node.run, ending.clean("scratch", "r1", Slurm()))
        submitted.result()
        (home / "busy").unlink()
        cleaned.result()

    assert not (home / "submitted").exists()
    assert list((home / "scratch").iterdir()) == []


def wait_for(place: Path, pattern: str = "") -> None:
    deadline = time.monotonic() + 60
    while not (list(place.glob(pattern)) if pattern else place.exists()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
