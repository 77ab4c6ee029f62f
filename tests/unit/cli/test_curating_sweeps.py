"""Which of a sweep's runs are tried when some can't be published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blocks.errors import ChimineyError, CommandFailed
from blocks.patience import Unreached
from cli import curate
from flows.ledger import Ledger, RunRecord

RUNS = [f"run-{number}" for number in range(3)]


class Sweep(Ledger):
    """A sweep of which each run has completed a task."""

    def children(self, sweep: str) -> list[RunRecord]:
        del sweep
        return [RunRecord(name, name, "sample", "{}") for name in RUNS]

    def counts(self) -> dict[str, dict[str, int]]:
        return {name: {"completed": 1} for name in RUNS}


@pytest.mark.parametrize(
    ("error", "tried"),
    [(CommandFailed("a file is too large"), RUNS), (Unreached("the repository can't be reached"), RUNS[:1])],
)
def test_what_is_wrong_with_one_run_keeps_no_other_back_but_a_repository_that_is_away_is_waited_for_once(
    error: ChimineyError, tried: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def refused(_ledger: Ledger, record: RunRecord, *_words: object, **_trust: bool) -> dict[str, Any]:
        seen.append(record.name)
        raise error

    monkeypatch.setattr(curate, "_published", refused)
    ledger = Sweep(f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(type(error)):
        curate._each_published(ledger, RunRecord("s", "s", "sample", "{}", kind="sweep"), None, None, trust=False)
    ledger.close()
    assert seen == tried
