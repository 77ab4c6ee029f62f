"""An experiment in the words of Dataverse's citation metadata: the fields of its citation.tsv, as its native API takes them."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from typing import Any, Literal

from blocks.curation.experiment import Author, Experiment

Subject = Literal[
    "Agricultural Sciences",
    "Arts and Humanities",
    "Astronomy and Astrophysics",
    "Business and Management",
    "Chemistry",
    "Computer and Information Science",
    "Earth and Environmental Sciences",
    "Engineering",
    "Law",
    "Mathematical Sciences",
    "Medicine, Health and Life Sciences",
    "Physics",
    "Social Sciences",
    "Other",
]
AGENCY = "Chiminey"  # whose name of the run the other identifier is


def dataset(experiment: Experiment, contact: str, subject: Subject, license: Mapping[str, str] | None) -> dict[str, Any]:
    """A new dataset; its other identifier is the name of the run, by which it is found again."""
    date = time.strftime("%Y-%m-%d", time.gmtime(experiment.created))
    fields = [
        _field("title", experiment.title),
        _several("author", [_author(author) for author in experiment.authors]),
        _several("datasetContact", [{"datasetContactName": experiment.authors[0].name, "datasetContactEmail": contact}]),
        _several("dsDescription", [{"dsDescriptionValue": _text(experiment.description), "dsDescriptionDate": date}]),
        {"typeName": "subject", "typeClass": "controlledVocabulary", "multiple": True, "value": [subject]},
        _several("otherId", [{"otherIdAgency": AGENCY, "otherIdValue": experiment.run}]),
        _field("productionDate", date),
    ]
    if experiment.keywords:
        fields.append(_several("keyword", [{"keywordValue": keyword} for keyword in experiment.keywords]))
    version: dict[str, Any] = {"metadataBlocks": {"citation": {"displayName": "Citation Metadata", "fields": fields}}}
    if license is not None:
        version["license"] = {"name": license["name"], "uri": license["uri"]}
    return {"datasetVersion": version}


def run_of(version: Mapping[str, Any]) -> str:
    """The run that a dataset was made for; "" if it was made for none."""
    fields = version.get("metadataBlocks", {}).get("citation", {}).get("fields", [])
    for field in fields:
        for value in field["value"] if field["typeName"] == "otherId" else ():
            if value.get("otherIdAgency", {}).get("value") == AGENCY:
                return value["otherIdValue"]["value"]
    return ""


def is_license(license: Mapping[str, Any], spdx: str) -> bool:
    """Whether a license that a repository offers has this SPDX identifier; older ones have but a name, such as CC BY 4.0."""
    return spdx.lower() in (str(license.get("rightsIdentifier", "")).lower(), license["name"].lower().replace(" ", "-"))


def _author(author: Author) -> dict[str, str]:
    told = {"authorName": author.name, "authorAffiliation": author.affiliation}
    scheme = {"authorIdentifierScheme": "ORCID", "authorIdentifier": author.orcid} if author.orcid else {}
    return {name: value for name, value in (told | scheme).items() if value}


def _field(name: str, value: str) -> dict[str, Any]:
    kind = "controlledVocabulary" if name == "authorIdentifierScheme" else "primitive"
    return {"typeName": name, "typeClass": kind, "multiple": False, "value": value}


def _several(name: str, values: list[dict[str, str]]) -> dict[str, Any]:
    made = [{part: _field(part, text) for part, text in value.items()} for value in values]
    return {"typeName": name, "typeClass": "compound", "multiple": True, "value": made}


def _text(plain: str) -> str:
    """Plain text as HTML, which is what descriptions are."""
    return html.escape(plain, quote=False).replace("\n", "<br>")
