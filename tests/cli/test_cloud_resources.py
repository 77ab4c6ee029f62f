"""Clouds from the command line: credentials that are asked for, machines that name them, and mistakes in both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

SECRET = "Open-Sesame-1"
ADD = ("resource", "add")
EC2 = (*ADD, "ec2", "aws", "access_key=AKIA1", "region=eu-central-1", "--no-check")
CLOUD = (*ADD, "cloud", "vms", "credentials=aws", "image=debian-12", "size=t3.medium", "--no-check")


@pytest.fixture
def person(chiminey: CommandLine) -> Iterator[CommandLine]:
    """Somebody who has saved nothing, before and after."""
    yield chiminey
    saved = chiminey("resource", "list", "--json").object
    for resource in sorted(saved, key=lambda each: each["kind"] != "cloud"):
        assert chiminey("resource", "remove", resource["name"]).code == 0


def where(person: CommandLine) -> dict[str, str]:
    return {each["name"]: each["where"] for each in person("resource", "list", "--json").object}


def test_secrets_are_asked_for_and_shown_to_nobody(person: CommandLine) -> None:
    asked = {
        "aws": ("ec2", "key=AKIA1", "region=eu-central-1"),
        "campus": ("openstack", "auth_url=https://cloud.example:5000/v3", "user=me", "project=lab"),
        "robot": ("openstack", "auth_url=https://cloud.example:5000/v3", "application_credential_id=1f2e"),
        "drops": ("libcloud", "provider=digitalocean", 'options={"region": "fra1"}'),
    }
    for name, (kind, *settings) in asked.items():
        added = person(*ADD, kind, name, *settings, "--no-check", input=f"{SECRET}-{name}\n")
        assert added.code == 0, added.errors
        shown = person("resource", "show", name).output
        assert "**********" in shown
        assert SECRET not in shown + added.output + added.errors

    assert person(*ADD, "openstack", "file", "cloud=campus", "--no-check", input="").code == 0
    assert where(person) == {
        "aws": "eu-central-1",
        "campus": "https://cloud.example:5000/v3",
        "drops": "digitalocean",
        "file": "campus of clouds.yaml",
        "robot": "https://cloud.example:5000/v3",
    }


def test_a_secret_that_there_may_be_is_asked_for_where_it_is_named(person: CommandLine) -> None:
    added = person(*EC2, "--secret", "session_token", input=f"{SECRET}\n{SECRET}\n")
    assert added.code == 0, added.errors
    shown = person("resource", "show", "aws").output
    assert ("secret_key: *" in shown, "session_token: *" in shown) == (True, True)

    none = person(*EC2, "--secret", "session_token", input=f"{SECRET}\n")
    assert (none.code, none.errors) == (2, "error: there is no session token on standard input; give it as a line\n")
    wrong = person(*EC2, "--secret", "token", input=f"{SECRET}\n")
    assert (wrong.code, wrong.errors) == (2, "error: there is no secret 'token'; the secrets are: secret_key, session_token\n")


def test_a_secret_is_not_taken_from_the_command_line(person: CommandLine) -> None:
    typed = {"ec2": "secret_key", "openstack": "password", "libcloud": "secret", "cloud": "key_seed"}
    for kind, setting in typed.items():
        done = person(*ADD, kind, "typed", f"{setting}={SECRET}", "--no-check")
        assert done.code == 2
        assert f"error: {setting}: all users of this machine could read it on the command line; leave it out" in done.errors
        assert SECRET not in done.errors


def test_machines_name_their_credentials_which_stay_as_long(person: CommandLine, tmp_path: Path) -> None:
    script = tmp_path / "setup"
    script.write_text("#!/bin/sh\ntouch /ready\n")
    assert person(*EC2, input=f"{SECRET}\n").code == 0
    made = person(*CLOUD, "max=4", "min=2", "user=ubuntu", "ssh_from=192.0.2.0/24", f"user_data=@{script}")
    assert made.code == 0, made.errors

    assert where(person)["vms"] == "t3.medium in aws, up to 4"
    shown = person("resource", "show", "vms").output.splitlines()
    assert shown[:5] == ["credentials: aws", "image: debian-12", "size: t3.medium", "minimum: 2", "maximum: 4"]
    assert "user_data: #!/bin/sh" in shown
    refused = person("resource", "remove", "aws")
    assert (refused.code, "'aws' is used by vms, and stays" in refused.errors) == (2, True)
    ran = person("run", "randnum", "--compute", "aws")
    assert (ran.code, "'aws' is the credentials of an account; tasks can't run there" in ran.errors) == (2, True)


def test_all_that_is_wrong_with_machines_is_told_at_once(person: CommandLine) -> None:
    assert person(*EC2, input=f"{SECRET}\n").code == 0
    wrong = ["min=two", "disk=-1", "ssh_from=any", "user_data=hello", "spot=perhaps", "sise=t3.medium", "image=debian-12"]
    done = person(*ADD, "cloud", "vms", *wrong, "credentials=asw")
    assert (done.code, done.output) == (2, "")
    assert done.errors.splitlines() == [
        "error: there is no setting 'sise'; did you mean 'size'?",
        "error: credentials: there are none of the name 'asw'; save it first, such as: chiminey resource add ec2 aws "
        "access_key=AKIA...",
        "error: the setting 'size' has no default; give it a value",
        "error: minimum: must be a whole number (got 'two')",
        "error: ssh_from: 'any' does not appear to be an IPv4 or IPv6 network; write for instance 192.0.2.0/24, or 0.0.0.0/0 for "
        "the whole world (got ['any'])",
        "error: disk: must be greater than or equal to 0 (got -1)",
        "error: spot: must be true or false (got 'perhaps')",
        "error: user_data: it must begin with #! (a script) or with #cloud-config (got 'hello')",
    ]


def test_more_at_least_than_at_most_is_refused_in_a_sentence(person: CommandLine) -> None:
    assert person(*EC2, input=f"{SECRET}\n").code == 0
    done = person(*CLOUD, "min=3", "max=2")
    assert (done.code, done.errors) == (2, "error: minimum is 3, more than the maximum of 2; raise maximum\n")


def test_nobody_logs_in_to_an_account(person: CommandLine) -> None:
    for option in ("--password", "--keep-password", "--passphrase", "--accept-host-key"):
        done = person(*EC2, option, input=f"{SECRET}\n")
        assert (done.code, "nobody logs in to a host with a ec2 resource" in done.errors) == (2, True)
