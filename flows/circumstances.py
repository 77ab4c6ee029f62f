"""By whom, under which licence and with which software a run is carried out: what its crate says for ever, whoever writes it."""

from __future__ import annotations

import platform
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from blocks.curation.experiment import Author
from flows import author


class Circumstances(BaseModel):
    """Those of one run."""

    model_config = ConfigDict(frozen=True)

    author: str
    orcid: str
    licence: str
    versions: dict[str, str]  # of Chiminey, Python and Prefect
    system: str

    @classmethod
    def now(cls) -> Circumstances:
        """Those of this process."""
        person = author.author()
        versions = {"chiminey": version("chiminey"), "python": platform.python_version(), "prefect": version("prefect")}
        system = f"{platform.system()} {platform.release()} {platform.machine()}"
        return cls(author=person.name, orcid=person.orcid, licence=author.licence(), versions=versions, system=system)

    @property
    def person(self) -> Author:
        """Who carries it out."""
        return Author(self.author, orcid=self.orcid)

    @property
    def agent(self) -> str:
        """What the crate calls this person."""
        return author.uri(self.person)
