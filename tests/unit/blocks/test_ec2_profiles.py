"""Profiles of Amazon's own tools, in whichever of the ways that they know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blocks.credentials import EC2Credentials
from blocks.errors import InvalidRequest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of Amazon's tools; nobody tells credentials over the network."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = AKIA1\naws_secret_access_key = s%cret\n")
    return tmp_path


def login(profile: str) -> tuple[str, str, str]:
    key, secret, token = EC2Credentials(profile=profile).login()
    return key, secret.get_secret_value(), token.get_secret_value() if token else ""


def test_a_profile_with_an_access_key(home: Path) -> None:
    assert login("lab") == ("AKIA1", "s%cret", "")


def test_a_profile_whose_keys_another_program_gives(home: Path) -> None:
    keys = {"Version": 1, "AccessKeyId": "ASIA2", "SecretAccessKey": "hidden", "SessionToken": "for-an-hour"}
    (home / "keys").write_text(json.dumps(keys | {"Expiration": "2100-01-01T00:00:00Z"}))
    (home / "config").write_text(f"[profile vault]\ncredential_process = cat {home}/keys\n")

    assert login("vault") == ("ASIA2", "hidden", "for-an-hour")


def test_a_program_that_fails_is_told(home: Path) -> None:
    (home / "config").write_text(f"[profile vault]\ncredential_process = cat {home}/nothing\n")

    with pytest.raises(InvalidRequest, match=r"the profile 'vault' can't be used, as Amazon's tools say: .*No such file"):
        login("vault")


def test_single_sign_on_that_nobody_has_gone_through_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    settings = ["sso_session = campus", "sso_account_id = 123456789012", "sso_role_name = Researcher"]
    session = ["sso_region = eu-central-1", "sso_start_url = https://campus.example/start"]
    (home / "config").write_text("\n".join(["[profile sso]", *settings, "[sso-session campus]", *session, ""]))

    with pytest.raises(InvalidRequest, match=r"the profile 'sso' can't be used, .*(SSO|sso)"):
        login("sso")


@pytest.mark.parametrize(
    ("profile", "told"), [("nobody", "the config profile .nobody. could not be found"), ("empty", "has no access key")]
)
def test_a_profile_that_is_not_there_or_gives_nothing_is_told(home: Path, profile: str, told: str) -> None:
    (home / "config").write_text("[profile empty]\nregion = eu-central-1\n")

    with pytest.raises(InvalidRequest, match=f"(?i){told}"):
        login(profile)
