"""docs/clusters.md and docs/schedulers.md: what they show of files is as the code takes it, and they leave nothing out."""

from __future__ import annotations

import re
import tomllib

import pytest

from blocks.job import JobFields, JobRequest
from blocks.scheduler.dialect import Dialect
from scripts.reference import ROOT

PAGE = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
SCHEDULERS = (ROOT / "docs" / "schedulers.md").read_text(encoding="utf-8")
TABLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", TABLES)
def test_a_request_of_the_page_is_one(text: str) -> None:
    assert JobRequest.of(tomllib.loads(text)["job"]) != JobRequest()


@pytest.mark.parametrize("field", JobFields.model_fields)
def test_every_field_of_a_request_is_in_a_table(field: str) -> None:
    assert re.search(rf"^\|[^|]*`{field}`[^|]*\|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(Dialect.__abstractmethods__))
def test_the_example_of_a_dialect_has_every_part(name: str) -> None:
    assert f"    def {name}(" in SCHEDULERS
