"""What is under way when a run ends."""

from __future__ import annotations

import threading
import time

import pytest

from blocks.errors import RunCancelled
from blocks.under_way import UnderWay


def test_what_is_under_way_is_waited_for_and_nothing_begins_any_more() -> None:
    sending, arrived, seen = UnderWay("it is over"), threading.Event(), list[bool]()

    def end() -> None:
        seen.append(sending.end(60) and arrived.is_set())

    ending = threading.Thread(target=end)
    with sending.one():
        ending.start()
        while True:
            try:
                with sending.one():
                    time.sleep(0.01)
            except RunCancelled:
                break
        arrived.set()
    ending.join()

    assert seen == [True]


def test_one_that_hangs_is_not_waited_for_long() -> None:
    sending = UnderWay("it is over")

    with sending.one():
        assert not sending.end(0.1)
        with pytest.raises(RunCancelled, match="it is over"), sending.one():
            pass
