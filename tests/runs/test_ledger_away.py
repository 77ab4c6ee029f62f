"""The disk that the ledger is on is full when the run ends: hosts are let go all the same, and how it ended is written later."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from blocks.compute import LocalCompute
from flows.iteration import Convergence
from flows.ledger.database import LedgerUnavailable
from tests.engine import Lab
from tests.full_disk import fill, free
from tests.payloads import connector


def test_what_ends_while_the_disk_is_full_is_cleaned_up_and_its_end_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    cleaned = threading.Event()
    clean = LocalCompute.open

    def converged(_self: object, _iteration: object) -> Convergence:
        fill()
        return Convergence(done=True)

    def room_again() -> None:
        cleaned.wait(250)
        free()

    def opened(compute: LocalCompute, *given: object) -> object:
        session = clean(compute, *given)  # pyright: ignore[reportArgumentType]
        original = session.clean

        def noted() -> None:
            original()
            cleaned.set()

        session.clean = noted  # pyright: ignore[reportAttributeAccessIssue]
        return session

    monkeypatch.setattr(LocalCompute, "open", opened)
    proposal = lab.request(connector(tmp_path / "sample", "true", converged=converged), LocalCompute(slots=2))
    record = lab.add(proposal)
    watcher = threading.Thread(target=room_again)
    watcher.start()
    try:
        with pytest.raises(LedgerUnavailable):
            lab.drive(record, proposal)
    finally:
        cleaned.set()
        watcher.join()
        free()

    ended = lab.ledger.find(record.id)
    assert (ended.status, ended.owner) == ("failed", None)
    assert "the ledger can't be written" in ended.message
    assert {host.status for host in lab.ledger.hosts(record.id)} == {"released"}
