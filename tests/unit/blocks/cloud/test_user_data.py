"""What machines are told when they are made."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from blocks.cloud.user_data import compose

HOST_KEY = ("private", "public")


def told(unattended: int = 60, users: str = "") -> Any:
    text = compose(HOST_KEY, "ssh-ed25519 AAAA", unattended, users)
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


def test_a_machine_watches_whether_it_is_used_before_it_heeds_the_users_own_words() -> None:
    config = told(users="#cloud-config\nbootcmd: [hang]\nruncmd: [sleep infinity]\n")

    *ours, users = config["bootcmd"]
    assert "unattended" in ours[-1]
    assert users == "hang"
    assert config["runcmd"] == ["sleep infinity"]


def test_a_machine_that_is_to_stay_watches_nothing() -> None:
    assert "unattended" not in str(told(unattended=0))


def test_a_script_of_the_users_own_is_run_when_all_else_is_done() -> None:
    config = told(users="#!/bin/sh\ntouch /ready\n")

    (file,) = config["write_files"]
    assert config["runcmd"] == [file["path"]]
    assert file["content"] == "#!/bin/sh\ntouch /ready\n"


@pytest.mark.parametrize("unattended", [0, 60])
def test_commands_at_boot_are_plain_shell(unattended: int) -> None:
    script = "\n".join(told(unattended)["bootcmd"])
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
