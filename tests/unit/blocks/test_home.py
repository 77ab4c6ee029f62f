"""The folder of what is a person's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.home import home
from flows.ledger.database import default_url


@pytest.mark.parametrize(("given", "folder"), [(None, "~/.chiminey"), ("", "~/.chiminey"), ("~/mine", "~/mine"), ("x", "x")])
def test_everything_is_in_one_folder_however_it_is_given(
    given: str | None, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("CHIMINEY_LEDGER", raising=False)
    monkeypatch.delenv("CHIMINEY_HOME", raising=False)
    if given is not None:
        monkeypatch.setenv("CHIMINEY_HOME", given)
    expected = Path(folder).expanduser().absolute()
    assert home() == expected
    assert default_url() == f"sqlite:///{expected}/ledger.db"
