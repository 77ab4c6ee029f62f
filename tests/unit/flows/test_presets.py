"""What was asked for under names, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from blocks.errors import InvalidRequest
from flows import presets
from flows.ledger import Ledger, RunRecord
from flows.request import Location, ResourceReference, RunRequest, SweepRequest
from flows.sweep_map import SweepMap


def request(connector: str = "area", **asked: object) -> RunRequest:
    output = Location(storage=ResourceReference(slug="chiminey-local-storage", settings={"path": "/results"}))
    base = RunRequest(connector=connector, inputs={"radius": 1}, compute=ResourceReference(slug="local-compute"), output=output)
    return base.model_copy(update=asked)


def record(identity: str, asked: RunRequest | SweepRequest, **known: object) -> RunRecord:
    connector = asked.connector if isinstance(asked, RunRequest) else asked.run.connector
    name = f"{connector}-{identity}"
    plain = RunRecord(identity, name, connector, asked.model_dump_json(), status="completed")
    return replace(plain, **known)  # type: ignore[arg-type]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def test_the_last_one_of_a_name_counts_and_connectors_do_not_share_names(ledger: Ledger) -> None:
    presets.save(ledger, "big", request(inputs={"radius": 10}))
    presets.save(ledger, "big", request(inputs={"radius": 20}))
    presets.save(ledger, "big", request("spice"))

    assert presets.find(ledger, "big", "area").request.inputs == {"radius": 20}
    with pytest.raises(InvalidRequest, match=r"several connectors .* \(area, spice\); .* --connector"):
        presets.find(ledger, "big")
    presets.remove(ledger, presets.find(ledger, "big", "spice"))
    assert presets.find(ledger, "big").connector == "area"


def test_last_is_what_the_newest_run_or_sweep_was_asked_for(ledger: Ledger) -> None:
    sweep = SweepRequest(run=request(inputs={"radius": 3}), sweep=SweepMap({"radius": [3, 4]}), points=2, at_once=1)
    ledger.add(record("a1", request(inputs={"radius": 1}), created=1.0))
    ledger.add(record("c1", request("spice"), created=2.0))
    assert presets.find(ledger, "last", "area").request.inputs == {"radius": 1}

    ledger.add(record("a2", sweep, created=3.0, kind="sweep"))
    ledger.add(record("a2-1", request(inputs={"radius": 4}), created=4.0, parent="a2", number=1))

    assert [(preset.connector, preset.name) for preset in presets.every(ledger)] == [("area", "last"), ("spice", "last")]
    assert presets.find(ledger, "last", "area").request == sweep.run
    with pytest.raises(InvalidRequest, match="choose another name"):
        presets.save(ledger, "last", request())
    with pytest.raises(InvalidRequest, match="choose another name"):
        presets.remove(ledger, presets.find(ledger, "last", "area"))


def test_a_point_of_a_sweep_is_kept_as_a_run_of_its_own(ledger: Ledger) -> None:
    sweep = SweepRequest(run=request(), sweep=SweepMap({"radius": [3]}), points=1, at_once=1)
    inside = request().output.model_copy(update={"path": "sweep-area-a2"})
    child = record("a2-1", request(inputs={"radius": 3}, point={"radius": 3}, output=inside), parent="a2", number=1)
    ledger.add(record("a2", sweep, kind="sweep"))

    assert presets.of_run(ledger, child) == request(inputs={"radius": 3})
    with pytest.raises(InvalidRequest, match="varied shape, which is no input of area"):
        presets.of_run(ledger, record("a2-2", request(point={"shape": "disc"}), parent="a2", number=2))


@pytest.mark.parametrize("name", ["", "Big", "two words", "-a", "a--b", "x" * 65, "ä"])
def test_a_name_is_lowercase_words_with_dashes(name: str) -> None:
    with pytest.raises(InvalidRequest, match="can't be called"):
        presets.check_name(name)


def test_a_name_that_is_almost_right_is_suggested(ledger: Ledger) -> None:
    presets.save(ledger, "filters", request())

    with pytest.raises(InvalidRequest, match="did you mean 'filters'"):
        presets.find(ledger, "filtres")
    with pytest.raises(InvalidRequest, match="of spice; save one with"):
        presets.find(ledger, "filters", "spice")
