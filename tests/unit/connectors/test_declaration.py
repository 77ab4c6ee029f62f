"""connector.toml: what it makes, and what it says about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from blocks.job import JobRequest
from connectors import declaration

WHOLE = """\
name = "mix"
description = "Everything."
compute = ["unix"]
arguments = ["count"]
needs_input = true
[inputs.count]
type = "integer"
default = 3
minimum = 1
maximum = 9
title = "Count"
description = "How many."
[inputs.rate]
type = "number"
[inputs.method]
type = "choice"
choices = ["fast", "exact"]
default = "fast"
[inputs.label]
type = "text"
default = ""
[inputs.quiet]
type = "boolean"
default = false
[job]
cpus = 4
memory = 2000
modules = ["openmpi"]
[job.environment]
THREADS = 4
[sweep]
seed = [1, 2]
"""


def test_a_whole_declaration(tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_text(WHOLE)
    connector = declaration.read(tmp_path)
    inputs = connector.Inputs.model_validate({"rate": 2})
    assert inputs.model_dump() == {"count": 3, "rate": 2.0, "method": "fast", "label": "", "quiet": False}
    assert (connector.name, connector.compute, connector.needs_input, connector.folder) == ("mix", ["unix"], True, tmp_path)
    assert connector.internal_sweep(inputs, 0) == {"seed": [1, 2]}
    assert connector.job == JobRequest(cpus=4, memory="2000", modules=["openmpi"], environment={"THREADS": "4"})
    assert connector.Inputs.model_json_schema()["properties"]["count"]["title"] == "Count"
    for wrong in ({"count": 10}, {"rate": 1, "method": "slow"}, {"rate": "inf"}, {"rate": 1, "other": 1}):
        with pytest.raises(ValidationError):
            connector.Inputs.model_validate(wrong)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = ", "it is not TOML: Invalid value"),
        ("", "the key name is missing"),
        ('name = "a"\nargumnts = []', "line 2: there is no key argumnts; allowed are name, description, compute, arguments"),
        (
            'name = "a"\n[inputs.n]\ntype = "integer"\nminmum = 1',
            "line 4: there is no key inputs.n.minmum; allowed are type, default",
        ),
        ('name = "a"\n[inputs.n]\ntype = "float"', "line 3: inputs.n.type: it must be 'integer', 'number', 'text'"),
        ('name = "a"\n[inputs.n]\ntype = "integer"\ndefault = "1"', "inputs.n.default: it must be a valid integer"),
        ('name = "a"\n[inputs.n]\ntype = "integer"\ndefault = 0\nminimum = 1', "greater than or equal to 1"),
        ('name = "a"\n[inputs.n]\ntype = "text"\nminimum = 1', "line 2: inputs.n: minimum and maximum are allowed for"),
        ('name = "a"\n[inputs.n]\ntype = "number"\nminimum = 2\nmaximum = 1', "minimum is greater than maximum"),
        ('name = "a"\n[inputs.n]\ntype = "choice"', "inputs.n.choices: a list"),
        ('name = "a"\n[inputs.json]\ntype = "text"', "an input can't have this name"),
        (
            'name = "a"\n[job]\nmemroy = "2G"\ncpus = "many"',
            "line 4: job.cpus: must be a whole number (got 'many'); "
            "line 3: there is no job setting 'memroy'; did you mean 'memory'?",
        ),
        ('name = "a"\njob = 3', "line 2: job: it must be a table"),
        ('name = "a"\n[sweep]\nx = 3', "the values of 'x' must be a list"),
        ('name = "a"\n[sweep]\ncsv = "nowhere.csv"', "nowhere.csv can't be read: no such file"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "connector.toml").write_text(text)
    with pytest.raises(declaration.DeclarationProblem) as caught:
        declaration.read(tmp_path)
    assert reason in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_declaration(tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_bytes(b'\xef\xbb\xbfname = "marked"\n')

    assert declaration.read(tmp_path).name == "marked"
