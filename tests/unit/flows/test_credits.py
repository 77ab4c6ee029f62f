"""Authors and licences of crates, as this project writes them and as people do."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.curation.experiment import Author
from flows.author import NO_LICENSE
from flows.curation import credits

ADA = "https://orcid.org/0000-0002-1825-0097"


def crate(**told: Any) -> dict[str, dict[str, Any]]:
    people = {ADA: {"@id": ADA, "name": "Lovelace, Ada"}, "#author": {"@id": "#author", "name": "Owl"}, "#none": {"@id": "#none"}}
    return {"./": {"@id": "./", **told}, **people}


@pytest.mark.parametrize(
    ("told", "authors"),
    [
        ({"@id": ADA}, [Author("Lovelace, Ada", orcid="0000-0002-1825-0097")]),
        ([{"@id": "#author"}, {"@id": ADA}], [Author("Owl"), Author("Lovelace, Ada", orcid="0000-0002-1825-0097")]),
        ("Ada Lovelace", [Author("Ada Lovelace")]),
        (ADA, [Author("Lovelace, Ada", orcid="0000-0002-1825-0097")]),
        (["Ada Lovelace", {"@id": "#author"}], [Author("Ada Lovelace"), Author("Owl")]),
        ({"name": "Ada Lovelace"}, [Author("Ada Lovelace")]),
        ([None, 3, {}, {"@id": "#none"}, {"@id": "#nowhere"}, " ", {"name": ["Ada"]}], []),
        (None, []),
    ],
)
def test_an_author_is_an_entity_or_a_name(told: Any, authors: list[Author]) -> None:
    assert credits.authors(crate(author=told)) == tuple(authors)


@pytest.mark.parametrize(
    "told",
    [
        "https://spdx.org/licenses/CC-BY-4.0",
        {"@id": "http://spdx.org/licenses/CC-BY-4.0.html"},
        "CC-BY-4.0",
        [{"@id": "CC-BY-4.0"}],
        ["https://example.org/ours", "CC-BY-4.0"],
    ],
)
def test_a_licence_is_taken_by_its_spdx_identifier_however_that_is_written(told: Any) -> None:
    assert credits.license(crate(license=told)) == "CC-BY-4.0"
    assert credits.unknown_license(crate(license=told)) == []


@pytest.mark.parametrize("told", ["https://creativecommons.org/licenses/by/4.0/", {"@id": "#licence"}, "as you like it"])
def test_a_licence_without_an_spdx_identifier_is_told(told: Any) -> None:
    assert credits.license(crate(license=told)) == ""
    (warning,) = credits.unknown_license(crate(license=told))
    assert "is no SPDX identifier such as CC-BY-4.0" in warning


@pytest.mark.parametrize("told", [NO_LICENSE, None, "", 3, []])
def test_no_licence_is_nothing_to_tell(told: Any) -> None:
    assert (credits.license(crate(license=told)), credits.unknown_license(crate(license=told))) == ("", [])


def test_a_description_that_is_no_text_is_none() -> None:
    assert [credits.description(crate(description=told)) for told in ("A run.", {"@id": "#a"}, None)] == ["A run.", "", ""]
