"""An experiment in the words of InvenioRDM: https://inveniordm.docs.cern.ch/reference/metadata/."""

from __future__ import annotations

import html
import time
from typing import Any

from blocks.curation.experiment import Author, Experiment


def metadata(experiment: Experiment, publisher: str) -> dict[str, Any]:
    """The metadata of a draft; its version is the name of the run, by which the draft is found again."""
    told: dict[str, Any] = {
        "resource_type": {"id": "dataset"},
        "title": experiment.title,
        "publication_date": time.strftime("%Y-%m-%d", time.gmtime(experiment.created)),
        "creators": [_creator(author) for author in experiment.authors],
        "description": _paragraphs(experiment.description),
        "publisher": publisher,
        "subjects": [{"subject": keyword} for keyword in experiment.keywords],
        "rights": [{"id": experiment.license.lower()}] if experiment.license else [],
        "version": experiment.run,
    }
    return {name: value for name, value in told.items() if value}


def _creator(author: Author) -> dict[str, Any]:
    family, _, given = author.name.partition(",")
    person: dict[str, Any] = {"type": "personal", "family_name": family.strip(), "given_name": given.strip()}
    if author.orcid:
        person["identifiers"] = [{"scheme": "orcid", "identifier": author.orcid}]
    return {
        "person_or_org": {name: value for name, value in person.items() if value},
        **({"affiliations": [{"name": author.affiliation}]} if author.affiliation else {}),
    }


def _paragraphs(text: str) -> str:
    """Plain text as HTML, which is what descriptions are."""
    return "".join(f"<p>{html.escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())
