"""Resources from the command line: a host that is let in by a password once, and by a key of its own from then on."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.servers.farm import Farm

pytestmark = [pytest.mark.prefect, pytest.mark.ssh, pytest.mark.slow]
PASSWORD = "Open-Sesame-1"


def test_a_password_becomes_a_key_until_the_resource_is_removed(chiminey: CommandLine, farm: Farm) -> None:
    """Also on a server that has time for one login only, and turns away who comes meanwhile."""
    config = "AuthorizedKeysFile .ssh/authorized_keys\nMaxStartups 1\n"
    (host,) = farm(1, password=PASSWORD, config=config)
    keys = host.home / ".ssh" / "authorized_keys"
    place = f"host={host.user}@{host.address}:{host.port}"

    added = chiminey("resource", "add", "unix", "busy", place, "--password", "--accept-host-key", input=f"{PASSWORD}\n")
    assert added.code == 0, added.errors
    assert "busy is saved" in added.output
    assert keys.read_text().count("chiminey busy") == 1

    ran = chiminey("run", "randnum", "--compute", "busy", "--json")
    assert ran.code == 0, ran.errors
    assert PASSWORD not in json.dumps(ran.object) + ran.errors + chiminey("resource", "show", "busy").output

    removed = chiminey("resource", "remove", "busy")
    assert removed.code == 0, removed.errors
    assert "chiminey busy" not in keys.read_text()
    assert chiminey("run", "randnum", "--compute", "busy").code == 2


def test_a_key_with_a_passphrase_and_a_password_that_stays_are_asked_for(
    chiminey: CommandLine, farm: Farm, tmp_path: Path
) -> None:
    (host,) = farm(1, password=PASSWORD)
    place = f"host={host.user}@{host.address}:{host.port}"
    key = tmp_path / "key"
    shutil.copy(host.private_key, key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "Sesame-2", "-f", key], check=True)
    options = ["use_agent=false", "--accept-host-key"]

    locked = chiminey("resource", "add", "unix", "locked", place, f"key={key}", *options, "--passphrase", input="Sesame-2\n")
    assert locked.code == 0, locked.errors
    kept = chiminey("resource", "add", "unix", "kept", place, *options, "--keep-password", input=f"{PASSWORD}\n")
    assert kept.code == 0, kept.errors
    wrong = chiminey("resource", "add", "unix", "wrong", place, f"key={key}", *options, "--passphrase", input="no\n")
    assert (wrong.code, "passphrase is wrong" in wrong.errors) == (4, True)

    for name in ("locked", "kept"):
        assert chiminey("resource", "check", name).code == 0
        shown = chiminey("resource", "show", name).output
        assert "Sesame" not in shown
        assert chiminey("resource", "remove", name).code == 0


def test_a_password_for_a_host_is_not_shown_to_the_host_before_it(chiminey: CommandLine, farm: Farm, tmp_path: Path) -> None:
    (gate,) = farm(1, config="PasswordAuthentication yes\n")
    (host,) = farm(1, password=PASSWORD, config="AuthorizedKeysFile .ssh/authorized_keys\n")
    places = [f"host={host.user}@{host.address}:{host.port}", f"jump_hosts={gate.user}@{gate.address}:{gate.port}"]
    (tmp_path / "config").write_text(f"Host {gate.address}\n  IdentityFile {gate.private_key}\n")
    options = [f"config_file={tmp_path / 'config'}", "--accept-host-key", "--password"]

    added = chiminey("resource", "add", "unix", "behind", *places, *options, input=f"{PASSWORD}\n")
    assert added.code == 0, added.errors
    assert "password for" not in gate.log.read_text()
    assert (host.home / ".ssh" / "authorized_keys").read_text().count("chiminey behind") == 1
    assert chiminey("resource", "check", "behind").code == 0
    assert chiminey("resource", "remove", "behind").code == 0


def test_a_cluster_is_let_in_like_a_host_and_tells_what_it_was_given(chiminey: CommandLine, farm: Farm) -> None:
    (host,) = farm(1, password=PASSWORD, config="AuthorizedKeysFile .ssh/authorized_keys\n")
    place = f"host={host.user}@{host.address}:{host.port}"
    keys = host.home / ".ssh" / "authorized_keys"
    asked = ["partition=short", "memory=2000", 'environment={"THREADS": 4}', "modules=openmpi,fftw", "bootstrap_in_job=true"]
    accept = ["--password", "--accept-host-key"]

    refused = chiminey("resource", "add", "slurm", "hpc", place, *asked, *accept, input=f"{PASSWORD}\n")
    assert (refused.code, "hpc is not saved" in refused.errors) == (1, True), refused.errors
    assert "chiminey hpc" not in keys.read_text()
    added = chiminey("resource", "add", "slurm", "hpc", place, *asked, *accept, "--no-check", input=f"{PASSWORD}\n")
    assert added.code == 0, added.errors
    assert keys.read_text().count("chiminey hpc") == 1

    shown = chiminey("resource", "show", "hpc").output
    assert shown.startswith(f"host: {host.user}@{host.address}")
    assert "environment: {'THREADS': '4'}\n" in shown
    assert PASSWORD not in shown
    assert {"name": "hpc", "kind": "slurm", "where": place.removeprefix("host=")} in chiminey("resource", "list", "--json").object
    assert chiminey("resource", "check", "hpc").code == 1
    assert chiminey("resource", "remove", "hpc").code == 0
    assert "chiminey hpc" not in keys.read_text()


def test_all_that_is_wrong_with_a_cluster_is_told_at_once_in_words_of_its_settings(chiminey: CommandLine) -> None:
    wrong = ["hosts=a.example", "partitoin=x", "nodes=many", "memory=2X", "exclusive=maybe", "environment=x"]
    done = chiminey("resource", "add", "slurm", "hpc", *wrong)
    assert (done.code, done.output) == (2, "")
    assert done.errors.splitlines() == [
        "error: there is no setting 'hosts'; did you mean 'host'?",
        "error: there is no setting 'partitoin'; did you mean 'partition'?",
        "error: host: name the machine, such as host=me@login.example.org",
        "error: nodes: must be a whole number (got 'many')",
        "error: memory: '2X' is no size of memory; write for instance 500M or 2G",
        "error: exclusive: must be true or false (got 'maybe')",
        """error: environment: must hold names and values, such as {"NAME": "value"} (got 'x')""",
    ]


def test_a_name_that_can_not_be_is_told_before_anything_is_asked_or_tried(chiminey: CommandLine) -> None:
    """Standard input is empty: who asks for a secret says that there is none."""
    here = "url=http://127.0.0.1:1"
    for name, told in (
        ("My_Zenodo", "'My_Zenodo' can't be the name of a resource; use lowercase letters, digits and dashes"),
        ("shelf", "the name 'shelf' is taken by a local-storage resource; choose another, or remove that one first"),
    ):
        chiminey("resource", "add", "local-storage", "shelf", "path=/tmp")
        done = chiminey("resource", "add", "zenodo", name, here, input="")
        assert (done.code, done.errors) == (2, f"error: {told}\n")
    both = chiminey("resource", "add", "zenodo", "My_Zenodo", "ulr=x")
    assert "can't be the name of a resource" in both.errors
    assert "there is no setting 'ulr'" in both.errors
    assert chiminey("resource", "remove", "shelf").code == 0


def test_how_a_password_is_given_that_is_none_of_a_host_is_told(chiminey: CommandLine) -> None:
    asked = ("resource", "add", "mytardis", "museum", "url=http://127.0.0.1:1", "username=me")
    for option in ("--password", "--keep-password"):
        done = chiminey(*asked, option)
        assert (done.code, "asked for with --secret password" in done.errors) == (2, True), done.errors


def test_a_resource_with_a_path_that_can_not_be_keeps_no_other_from_being_listed(chiminey: CommandLine) -> None:
    assert chiminey("resource", "add", "local-storage", "shelf", "path=/tmp").code == 0
    assert chiminey("resource", "add", "local-storage", "astray", "path=~nobody-like-it/x", "--no-check").code == 0
    up = ("bucket=box", "path=../x", "access_key=AKIA1", "--no-check")
    assert chiminey("resource", "add", "object", "upwards", *up, input="secret\n").code == 0

    listed = chiminey("resource", "list", "--json")
    for name in ("shelf", "astray", "upwards"):
        assert chiminey("resource", "remove", name).code == 0

    assert listed.code == 0, listed.errors
    where = {each["name"]: each["where"] for each in listed.object}
    assert where["shelf"] == "/tmp"
    assert "this machine knows no home folder ~nobody-like-it" in where["astray"]
    assert "the path must stay inside the storage" in where["upwards"]
