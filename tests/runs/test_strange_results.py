"""Results that can't be drawn, averaged or written as they are: the run whose tasks succeeded is completed all the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.storage import LocalStorage
from flows.iteration import Convergence
from flows.retry import is_exhausted
from flows.sweep.outcome import outcome
from flows.sweep.records import keep_records
from tests.engine import Lab
from tests.payloads import connector
from tests.runs.test_points import begun

REPORTS = {
    "a number above all that a float holds": '{"found": 1%s}' % ("0" * 400),
    "numbers at both ends of what a float holds": '{"found": 1e308, "other": -1e308}',
    "a name that looks like a formula": '{"cost in $ or $": 1, "\\\\\\\\w+$|\\\\\\\\s$": 2}',
    "half of a character": '{"found": "\\\\ud800", "name \\\\udfff": 1}',
    "a list in a list in a list": "[" * 50_000,
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_run_is_completed_whatever_its_tasks_report(report: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    strange = connector(tmp_path / "strange", f"""printf '%s' '{report.replace("%", "%%")}' >"$2/result.json" """)

    result = lab.go(strange, LocalCompute(slots=2), sweep={"x": [1, 2], "y": ["\\w+$|\\s$", "$_$^"]})

    assert (result.state, result.tasks.completed) == ("completed", 4)
    json.loads(result.model_dump_json())
    assert json.loads((lab.folder(result) / "run.json").read_text())["state"] == "completed"


def test_a_formula_in_a_name_is_drawn_as_the_text_that_it_is(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    dollars = connector(tmp_path / "dollars", """printf '{"\\\\\\\\w+$|\\\\\\\\s$": 1}' >"$2/result.json" """)

    result = lab.go(dollars, LocalCompute(slots=2), sweep={"x": [1, 2], "y": ["$_$^", "\\$"]})

    assert (lab.folder(result) / "results.png").read_bytes().startswith(b"\x89PNG")
    assert not [message for message in lab.view.messages if "drawn" in message]


def test_a_plot_that_cannot_be_drawn_is_a_warning_and_its_numbers_are_there(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    wide = connector(
        tmp_path / "wide",
        """[ "$3" = 1 ] && sign= || sign=-; echo "{\\"found\\": ${sign}1.7e308}" >"$2/result.json" """,
        arguments=("x",),
        max_iterations=1,
        converged=lambda _self, _iteration: Convergence(True, 1.0),
    )

    result = lab.go(wide, LocalCompute(slots=2), sweep={"x": [1, 2]})

    assert any(message.startswith("results.png could not be drawn: ") for message in lab.view.messages)
    with (lab.folder(result) / "results.csv").open() as file:
        assert [row["found"] for row in csv.DictReader(file)] == ["1.7e+308", "-1.7e+308"]


def test_half_a_character_is_readable_in_the_table(tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    def results(_self: object, _task: object) -> Mapping[str, Any]:
        return {"name": "file \udcff", "place": Path("/tmp")}

    strange = connector(tmp_path / "strange", "true", results=results, summary=lambda _s, iteration: iteration.tasks[0].results)

    result = lab.go(strange, LocalCompute(slots=2))

    with (lab.folder(result) / "results.csv").open(encoding="utf-8") as file:
        assert [(row["name"], row["place"]) for row in csv.DictReader(file)] == [("file \\udcff", '"/tmp"')]
    assert result.results["name"] == "file \\udcff"


def test_a_number_beyond_all_floats_is_refused_with_its_column(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    asking = connector(
        tmp_path / "asking",
        f"""echo '{{"found": 1{"0" * 400}}}' >"$2/result.json" """,
        converged=lambda _self, iteration: iteration.settled(iteration.tasks[0].number("found"), 1),
    )

    with pytest.raises(Exception, match="task 1 has no number 'found' among its results"):
        lab.go(asking, LocalCompute(slots=2))


def test_the_mean_of_large_numbers_is_one(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    large = connector(tmp_path / "large", """echo '{"found": 1e308}' >"$2/result.json" """)

    result = lab.go(large, LocalCompute(slots=2), sweep={"n": [1, 2, 3]})

    assert result.results == {"found": pytest.approx(1e308)}


def test_a_table_of_a_sweep_that_cannot_be_written_is_a_warning_and_is_written_when_it_is_resumed(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sweep, carry_out = begun(lab, connector(tmp_path / "sample", "true"), {"x": [1, 2]})
    sweep.drive(carry_out)
    sweep.lease.end("completed", "")
    away = tmp_path / "away"
    away.touch()
    storage = LocalStorage(path=str(away))

    keep_records(sweep, storage, outcome(sweep, storage))

    assert any(message.startswith("run.json and results.csv could not be written: ") for message in lab.view.messages)
    assert f"what could not be written is written by: chiminey resume {sweep.record.name}" in lab.view.messages
    assert not is_exhausted(lab.ledger, lab.ledger.find(sweep.record.id))
    away.unlink()
    keep_records(sweep, storage, outcome(sweep, storage))
    assert (away / sweep.record.name / "results.csv").is_file()
    assert is_exhausted(lab.ledger, lab.ledger.find(sweep.record.id))
    sweep.close()
