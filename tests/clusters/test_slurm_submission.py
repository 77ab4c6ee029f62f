"""A real sbatch behind what sites put around it: its answer comes late, or not at all, or among other words."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.errors import RunCancelled
from tests.clusters.engine import slurm_compute
from tests.clusters.test_slurm import answers, nothing_is_left, until
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.ssh]

COUNT = 'echo "$CHIMINEY_TASK_ID" >>"$HOME/begun"\n'

# Takes the job, and says once that it was not answered.
TIMES_OUT = """#!/bin/sh
[ ! -e "$HOME/timed-out" ] || exec /usr/bin/sbatch "$@"
/usr/bin/sbatch "$@" >"$HOME/timed-out"
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
exit 1
"""
LONESTAR = """#!/bin/sh
printf '\\n-----------------------------------------------------------------\\n'
printf '           Welcome to the Lonestar6 Supercomputer\\n'
printf '%s\\n\\n' -----------------------------------------------------------------
echo "--> Verifying valid submit host (login1)...OK"
echo "--> 1 of 2 allocations is active"
"""
BANNER = f'{LONESTAR}/usr/bin/sbatch "$@"\n'
BANNER_WITH_A_SENTENCE = f'{LONESTAR}id=$(/usr/bin/sbatch "$@") && echo "Submitted batch job $id"\n'
BANNER_ALONE = f'{LONESTAR}/usr/bin/sbatch "$@" >/dev/null\n'


# Has read the job script, and hands it over when the clean-up of the run is under way, or has ended too soon.
UNTIL_STOPPED = """#!/bin/sh
for script; do :; done
cp "$script" "$HOME/script"
touch "$HOME/asked"
until [ -e "$PWD/stop" ] || [ ! -d "$PWD" ]; do sleep 0.1; done
sleep 3
cd
exec /usr/bin/sbatch --parsable "$HOME/script"
"""
SLOW = """#!/bin/sh
sleep 32
exec /usr/bin/sbatch "$@"
"""


def put_around_sbatch(slurm: Slurm, program: str) -> None:
    """Let the user's login find this program in its place."""
    wrapper = slurm.host.home / "bin" / "sbatch"
    wrapper.parent.mkdir()
    wrapper.write_text(program)
    wrapper.chmod(0o755)
    (slurm.host.home / ".bashrc").write_text('PATH="$HOME/bin:$PATH"\n')


def test_a_job_that_was_taken_though_sbatch_says_it_had_no_answer_is_not_submitted_again(slurm: Slurm, tmp_path: Path) -> None:
    put_around_sbatch(slurm, TIMES_OUT)
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", COUNT), slurm_compute(slurm.host), sweep={"n": list(range(5))})
    assert (result.state, result.tasks.completed) == ("completed", 5)
    assert [task.attempt for task in lab.tasks(result)] == [1] * 5
    assert sorted((slurm.host.home / "begun").read_text().split()) == ["1", "2", "3", "4", "5"]
    assert slurm.submissions() == 1
    assert nothing_is_left(slurm)
    assert any("does not answer: sbatch: error:" in line and "Socket timed out" in line for line in lab.view.messages)


@pytest.mark.parametrize("program", [BANNER, BANNER_WITH_A_SENTENCE, BANNER_ALONE])
def test_the_id_is_found_whatever_a_site_prints_around_it(slurm: Slurm, tmp_path: Path, program: str) -> None:
    put_around_sbatch(slurm, program)
    tell = 'until [ -e ../job.1 ]; do sleep 0.1; done; echo "$SLURM_ARRAY_JOB_ID noted as $(cat ../job.1)" >"$2/answer"\n'
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", tell), slurm_compute(slurm.host))
    (job,) = (name.partition("_")[0] for name in slurm.jobs())
    assert answers(lab, result.name) == {"1": f"{job} noted as {job}"}
    assert slurm.submissions() == 1


def test_a_slurm_that_only_a_login_finds_is_found(slurm: Slurm, tmp_path: Path) -> None:
    few = slurm.host.home / "few"  # all commands of the host but those of Slurm, which its /etc/profile puts into PATH
    few.mkdir()
    for path in Path("/usr/bin").iterdir():
        if path.name not in ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct"):
            (few / path.name).symlink_to(path)
    (slurm.host.home / ".bashrc").write_text('PATH="$HOME/few"\n')
    (slurm.host.home / ".bash_profile").write_text('echo "Welcome!"\nexport SLURM_TIME_FORMAT=relative\n')
    lab = Lab(tmp_path)
    result = lab.go(connector(tmp_path / "c", COUNT), slurm_compute(slurm.host), sweep={"n": list(range(3))})
    assert (result.state, result.tasks.completed) == ("completed", 3)
    assert slurm.submissions() == 1
    assert nothing_is_left(slurm)


@pytest.mark.slow
def test_an_sbatch_that_takes_its_time_is_waited_for(slurm: Slurm, tmp_path: Path) -> None:
    put_around_sbatch(slurm, SLOW)
    lab = Lab(tmp_path)
    assert lab.go(connector(tmp_path / "c", COUNT), slurm_compute(slurm.host)).tasks.completed == 1
    assert not any("does not answer" in line for line in lab.view.messages)
    assert slurm.submissions() == 1


def test_a_job_that_is_just_being_submitted_when_its_run_is_cancelled_is_ended_too(slurm: Slurm, tmp_path: Path) -> None:
    put_around_sbatch(slurm, UNTIL_STOPPED)
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "c", "sleep 300\n"), slurm_compute(slurm.host))
    record = lab.add(proposal)

    when((slurm.host.home / "asked").exists, lambda: lab.ledger.request_cancel(record.id))
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)
    until(lambda: slurm.submissions() == 1, 30)
    assert nothing_is_left(slurm), slurm.jobs()
