"""What machines cost."""

from __future__ import annotations

from dataclasses import replace

from flows import cost
from flows.ledger import HostRecord

SMALL = HostRecord("machine-1", "a", 2, "released", "", "i-1", "t3.micro", 0.36, asked=1000.0, gone=2000.0)
LARGE = replace(SMALL, id="machine-2", machine="i-2", size="c7.large", price=3.6)


def test_hosts_that_were_there_already_cost_nothing() -> None:
    assert cost.of([replace(SMALL, machine="")]) is None
    assert cost.of([]) is None
    assert cost.spoken(None) == ""


def test_seconds_are_added_up_by_size_and_hours_have_a_price() -> None:
    spent = cost.of([SMALL, LARGE, replace(LARGE, gone=1500.0)])

    assert spent == {"machine_seconds": {"t3.micro": 1000.0, "c7.large": 1500.0}, "price": 1.6}
    assert cost.spoken(spent) == "0.28 h of t3.micro, 0.42 h of c7.large: 1.60"


def test_a_machine_that_is_there_costs_until_now() -> None:
    assert cost.of([replace(SMALL, status="ready", gone=0.0)], now=1100.0) == {
        "machine_seconds": {"t3.micro": 100.0},
        "price": 0.01,
    }


def test_of_machines_without_a_price_only_the_time_is_known() -> None:
    spent = cost.of([SMALL, replace(LARGE, price=0.0), LARGE])

    assert spent is not None
    assert spent["price"] is None
    assert cost.spoken(spent) == "0.28 h of t3.micro, 0.56 h of c7.large"
