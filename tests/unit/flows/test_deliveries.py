"""What is on its way to hosts when a run ends."""

from __future__ import annotations

import threading
import time

import pytest

from blocks.errors import RunCancelled
from flows.deliveries import Deliveries


def test_what_is_under_way_is_waited_for_and_nothing_begins_any_more() -> None:
    deliveries, arrived, seen = Deliveries(), threading.Event(), list[bool]()

    def end() -> None:
        seen.append(deliveries.end(60) and arrived.is_set())

    ending = threading.Thread(target=end)
    with deliveries.one():
        ending.start()
        while True:
            try:
                with deliveries.one():
                    time.sleep(0.01)
            except RunCancelled:
                break
        arrived.set()
    ending.join()

    assert seen == [True]


def test_a_host_that_hangs_is_not_waited_for_long() -> None:
    deliveries = Deliveries()

    with deliveries.one():
        assert not deliveries.end(0.1)
        with pytest.raises(RunCancelled, match="nothing is sent"), deliveries.one():
            pass
