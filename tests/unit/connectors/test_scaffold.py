"""A scaffolded connector runs as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.errors import InvalidRequest
from connectors import catalogue, load
from connectors.scaffold import scaffold


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("python", [False, True])
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: bool, shell: str) -> None:
    folder = scaffold("my-sum", tmp_path, python)
    monkeypatch.setenv("CHIMINEY_PATH", str(tmp_path))
    connector = load("my-sum")
    assert catalogue().broken == []
    assert connector.Inputs().model_dump() == {"count": 10}
    (tmp_path / "out").mkdir()
    main = folder / "payload/process_payload/main.sh"
    subprocess.run([shell, main, "in", "out", "10"], cwd=tmp_path, check=True)
    assert (tmp_path / "out/sum.txt").read_text() == "55\n"
    assert "chiminey run my-sum" in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", ["", "a b", "../a", "1a", "a/b", "é", "a" * 65, "sweep-area", "area__sweep", "a-_sweep"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="begins with a letter"):
        scaffold(name, tmp_path, python=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("python", [False, True])
def test_a_name_may_be_a_word_that_the_scaffold_fills_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: bool) -> None:
    folder = scaffold("PROFILE", tmp_path / "NAMES", python)
    monkeypatch.setenv("CHIMINEY_PATH", str(tmp_path / "NAMES"))

    assert load("PROFILE").folder == folder
    assert f'export CHIMINEY_PATH="{folder}"' in (folder / "README.md").read_text()


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InvalidRequest, match="exists already"):
        scaffold("a", tmp_path, python=False)
    assert list((tmp_path / "a").iterdir()) == []
