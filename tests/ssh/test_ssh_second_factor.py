"""Servers that ask for more than a key or a password: the question is named, and answered only when it is for the password."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused
from blocks.transport import questions, ssh_connection
from blocks.transport.ssh_access import SSHAccess
from blocks.transport.ssh_config import route
from blocks.transport.ssh_connection import connect
from tests.servers.farm import Farm
from tests.ssh.access import make_key, whoami
from tests.ssh.site import Serving, Site

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("nobodys_home")]
PASSWORD = "open sesame"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, paramiko.PKey]:
    """A key of the user's, and one of the server's."""
    for name in ("mine", "its"):
        make_key(tmp_path / name, "ed25519")
    return tmp_path / "mine", paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "its"))


class Login:
    """Tries to log in to a site."""

    def __init__(self, keys: tuple[Path, paramiko.PKey]) -> None:
        self._mine, self._its = keys
        self._serving = list[Serving]()

    def __call__(self, site: Site, *, password: str | None = None, key: bool = False, agent: bool = False) -> None:
        serving = Serving(site, self._its)
        self._serving.append(serving)
        access = SSHAccess(
            username="me",
            password=SecretStr(password) if password else None,
            private_key_file=str(self._mine) if key else None,
            host_keys=[f"{self._its.get_name()} {self._its.get_base64()}"],
            use_agent=agent,
            config_file="/dev/null",
        )
        connect(route(f"127.0.0.1:{serving.port}", access), access).close()

    def stop(self) -> None:
        for serving in self._serving:
            serving.stop()


@pytest.fixture
def login(keys: tuple[Path, paramiko.PKey]) -> Iterator[Login]:
    login = Login(keys)
    yield login
    login.stop()


@pytest.mark.parametrize("prompt", ["Password: ", "me@login's PASSWORD:", "Kennwort: ", "Mot de passe : ", "パスワード:"])
def test_the_question_for_the_password_is_answered_in_any_language(login: Login, prompt: str) -> None:
    site = Site([(prompt, False)], [])
    login(site, password=PASSWORD)
    assert site.answers == [PASSWORD]


@pytest.mark.parametrize(
    "prompt",
    [
        "Passcode or option (1-2): ",
        "Verification code: ",
        "Password & verification code: ",
        "One-time password (OATH) for `me': ",
        "Enter PASSCODE:",
        "YubiKey for `me': ",
        "New password: ",
        "Einmalpasswort: ",
        "动态密码:",
    ],
)
def test_a_second_factor_is_named_and_the_password_is_not_given_in_its_place(login: Login, prompt: str) -> None:
    site = Site([(prompt, False)])
    with pytest.raises(AuthenticationRefused, match="asks me for a second factor") as refused:
        login(site, password=PASSWORD)
    assert prompt.strip() in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert site.answers == []


def test_a_second_factor_after_the_password_or_beside_it_is_named(login: Login) -> None:
    after, beside = Site([("Password: ", False)], [("Factor two: ", False)]), Site([("Password: ", False), ("OTP: ", True)])
    for site, prompt, answers in ((after, "'Factor two:'", [PASSWORD]), (beside, "'OTP:'", [])):
        with pytest.raises(AuthenticationRefused, match=prompt):
            login(site, password=PASSWORD)
        assert site.answers == answers


def test_a_password_that_is_asked_for_again_was_wrong(login: Login) -> None:
    site = Site([("Password: ", False)], [("Password: ", False)])
    with pytest.raises(AuthenticationRefused, match="asks for another password"):
        login(site, password=PASSWORD)
    assert site.answers == [PASSWORD]


def test_what_is_asked_for_after_a_key_was_taken_is_told(login: Login, keys: tuple[Path, paramiko.PKey]) -> None:
    site = Site([("Passcode or option (1-2): ", False)], key_first=True)
    with pytest.raises(AuthenticationRefused) as refused:
        login(site, key=True)
    assert f"for a second factor, after it took the key {keys[0]}: 'Passcode or option (1-2):'" in str(refused.value)
    assert site.answers == []


def test_what_is_confirmed_elsewhere_lets_in(login: Login) -> None:
    site = Site([], key_first=True, instructions="Pushed a login request to your phone")
    login(site, key=True)
    assert site.answers == []


def test_a_confirmation_may_take_longer_than_any_other_answer(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as impatience:
        impatience.setattr(ssh_connection, "PATIENCE", 6.0)
        login(Site([("Password: ", False)], confirmation=8.0), password=PASSWORD)
    monkeypatch.setattr(questions, "CONFIRMATION", 1.0)
    with pytest.raises(AuthenticationRefused, match="confirmation by telephone, for more than 1 seconds"):
        login(Site([("Password: ", False)], confirmation=4.0), password=PASSWORD)


def test_an_open_question_does_not_keep_a_key_from_being_tried(
    login: Login, keys: tuple[Path, paramiko.PKey], agent: Path
) -> None:
    subprocess.run(["ssh-add", "-q", keys[0]], check=True)
    site = Site([("Passcode: ", False)])
    login(site, password=PASSWORD, agent=True)
    assert site.answers == []


def test_a_key_and_a_password_that_is_asked_for_let_in(farm: Farm) -> None:
    config = "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive\n"
    host = farm(1, password=PASSWORD, config=config)[0]
    assert whoami(host, password=SecretStr(PASSWORD)) == "lab@n5"
    with pytest.raises(AuthenticationRefused, match="asks for the password") as refused:
        whoami(host)
    assert f"it took the key {host.private_key}, and wants more" in str(refused.value)
    with pytest.raises(AuthenticationRefused, match="did not take the password"):
        whoami(host, password=SecretStr("wrong"))
