"""Templates that can't be rendered for one task of many: it fails with the reason, and the others are computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.compute import LocalCompute
from blocks.storage import LocalStorage
from flows import plan
from tests.engine import Lab
from tests.payloads import connector


@pytest.mark.parametrize("cache", [False, True])
def test_a_task_whose_template_cannot_be_rendered_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: bool
) -> None:
    monkeypatch.setattr(plan, "CHECKED", 1)
    initial = tmp_path / "input" / "initial"
    initial.mkdir(parents=True)
    (initial / "inverse_template").write_text("{{ 1 / x }}")
    lab = Lab(tmp_path)
    copies = connector(tmp_path / "copies", 'cat "$1/inverse" >"$2/inverse"')

    result = lab.go(
        copies, LocalCompute(slots=2), sweep={"x": [1, 0, 2]}, input=LocalStorage(path=str(tmp_path / "input")), cache=cache
    )

    assert (result.state, result.tasks.completed, result.tasks.failed) == ("completed-with-failures", 2, 1)
    failed = lab.tasks(result)[1]
    assert (failed.status, failed.attempt) == ("failed", 1)
    assert failed.reason == "initial/inverse_template can't be rendered: division by zero"
    assert (lab.folder(result) / "output_0" / "3" / "inverse").read_text() == "0.5"


def test_a_run_of_which_no_template_can_be_rendered_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHECKED", 0)
    initial = tmp_path / "input" / "initial"
    initial.mkdir(parents=True)
    (initial / "inverse_template").write_text("{{ 1 / x }}")
    lab = Lab(tmp_path)

    with pytest.raises(Exception, match=r"no task succeeded; .*can't be rendered: division by zero"):
        lab.go(
            connector(tmp_path / "copies", "true"),
            LocalCompute(slots=2),
            sweep={"x": [0, 0.0]},
            input=LocalStorage(path=str(tmp_path / "input")),
        )
