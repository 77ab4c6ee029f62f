"""The floors and peers that we are measured against, on the same hosts with the same program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers.sshd import SSHD

CIPHER = "aes128-gcm@openssh.com"


def ssh(host: SSHD, *options: str) -> list[str]:
    """The command that logs in to a host."""
    known = ("-o", f"UserKnownHostsFile={host.known_hosts}", "-o", f"Ciphers={CIPHER}")
    return ["ssh", "-q", "-i", str(host.private_key), *known, *options, "-p", str(host.port), f"{host.user}@{host.address}"]


def loops(hosts: list[SSHD], main: str, tasks: int, folder: Path) -> None:
    """One ssh for each host, which loops over its share of the tasks and sends all outputs back as one tar."""
    share = tasks // len(hosts)
    script = (
        f"rm -rf w; mkdir w && cd w && cat >main.sh && for i in $(seq {share}); do mkdir -p $i/in $i/out && cd $i && "
        "bash ../main.sh in out; cd ..; done; tar cf - */out"
    )
    running: list[subprocess.Popen[bytes]] = []
    for host in hosts:
        target = folder / host.name
        target.mkdir(parents=True)
        sender = subprocess.Popen([*ssh(host), script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        receiver = subprocess.Popen(["tar", "xf", "-", "-C", str(target)], stdin=sender.stdout)
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdin.write(main.encode())
        sender.stdin.close()
        sender.stdout.close()
        running += [sender, receiver]
    for process in running:
        if process.wait():
            raise RuntimeError("the loop over ssh failed")


def array(host: SSHD, main: str, tasks: int, elements: int, folder: Path) -> None:
    """An array that is submitted to Slurm by hand, each element looping over its share; all outputs come back as one tar."""
    share = tasks // elements
    script = f"""
rm -rf w && mkdir w && cd w && cat >main.sh || exit
cat >job.sh <<'END'
#!/bin/bash
#SBATCH --output=/dev/null
for i in $(seq $(((SLURM_ARRAY_TASK_ID - 1) * {share} + 1)) $((SLURM_ARRAY_TASK_ID * {share}))); do
    mkdir -p $i/in $i/out && cd $i && bash ../main.sh in out; cd ..
done
END
sbatch --wait --array=1-{elements} job.sh >/dev/null && tar cf - */out
"""
    folder.mkdir(parents=True)
    fetched = subprocess.run([*ssh(host), script], input=main.encode(), stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "xf", "-", "-C", str(folder)], input=fetched, check=True)


def parallel(hosts: list[SSHD], main: str, tasks: int, folder: Path) -> None:
    """GNU parallel over shared connections, which brings each task's output back."""
    folder.mkdir(parents=True)
    (folder / "main.sh").write_text(main)
    logins: list[str] = []
    for host in hosts:
        shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath=/tmp/bench-{host.name}", "-o", "ControlPersist=20")
        logins.append(" ".join(ssh(host, *shared)))
    command = [
        "parallel",
        "--will-cite",
        "-j2",
        *(word for login in logins for word in ("--sshlogin", login)),
        "--basefile",
        "main.sh",
    ]
    job = "mkdir -p {}/in {}/out && cd {} && bash ../main.sh in out"
    numbers = "".join(f"{number}\n" for number in range(tasks))
    subprocess.run(
        [*command, "--return", "{}/out", "--cleanup", job],
        input=numbers.encode(),
        cwd=folder,
        check=True,
        stderr=subprocess.DEVNULL,
    )


def tar_there(host: SSHD, source: Path) -> None:
    """``tar | ssh tar``."""
    with subprocess.Popen(["tar", "cf", "-", "-C", str(source), "."], stdout=subprocess.PIPE) as sender:
        subprocess.run([*ssh(host), "rm -rf t; mkdir t && tar xf - -C t"], stdin=sender.stdout, check=True)


def tar_back(host: SSHD, target: Path) -> None:
    """``ssh tar | tar``, of what ``tar_there`` sent."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    with subprocess.Popen([*ssh(host), "tar cf - -C t ."], stdout=subprocess.PIPE) as sender:
        subprocess.run(["tar", "xf", "-", "-C", str(target)], stdin=sender.stdout, check=True)


def scp_there(host: SSHD, source: Path) -> None:
    """``scp -r``; the folder has been there before, as it has for the others."""
    subprocess.run([*_scp(host), str(source), f"{host.user}@{host.address}:s"], check=True)


def scp_back(host: SSHD, target: Path) -> None:
    """``scp -r`` of what ``tar_there`` sent."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run([*_scp(host), f"{host.user}@{host.address}:t", str(target)], check=True)


def _scp(host: SSHD) -> list[str]:
    known = ["-o", f"UserKnownHostsFile={host.known_hosts}", "-o", f"Ciphers={CIPHER}"]
    return ["scp", "-q", "-r", "-i", str(host.private_key), *known, "-P", str(host.port)]
