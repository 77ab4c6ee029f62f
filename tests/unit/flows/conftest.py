"""A ledger on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty ledger's URL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.db"
        return
    import psycopg

    url: str = request.getfixturevalue("postgresql")
    yield url
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE ledger, runs, hosts, tasks, history, presets, task_keys, files")
