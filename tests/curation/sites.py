"""Repositories for deposits, each with what a test wants to know of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from blocks.curation.dataverse import Dataverse
from blocks.curation.deposit import DepositResource
from blocks.curation.experiment import Author, CuratedFile, Dataset, Experiment
from blocks.curation.invenio import InvenioRDM, Zenodo
from tests.servers import dataverse
from tests.servers.dataverse import DataverseServer
from tests.servers.invenio import Invenio
from tests.servers.repository import Repository

RUN = "randnum-0123456789"
CRATE = b'{"@context": "https://w3id.org/ro/crate/1.1/context"}'
FILES = {
    "ro-crate-metadata.json": CRATE,
    "output_0/1/result.json": b'{"x": 1}',
    "output_0/1/.hidden": b"",
    "a b/\u00fc": b"u" * 70_000,
}


def experiment(files: Mapping[str, bytes] = FILES, **changes: Any) -> Experiment:
    """A run with these files."""
    given = Experiment(
        run=RUN,
        title="Random numbers",
        description="Numbers, drawn <at random>.\n\nWith a seed.",
        created=1_790_000_000.0,
        datasets=(Dataset("", lambda: [_file(path, content) for path, content in files.items()]),),
        authors=(Author("Finch, Fiona", "Birds Inc.", "0000-0002-1825-0097"), Author("Owl")),
        keywords=("numbers",),
        license="CC-BY-4.0",
    )
    return replace(given, **changes)


def large(size: int, wait: Callable[[], None] = lambda: None) -> Experiment:
    """A run with one file of so many bytes; ``wait`` is called before each block of it."""

    def blocks() -> Iterator[bytes]:
        for start in range(0, size, 65536):
            wait()
            yield b"x" * min(65536, size - start)

    files = [_file("ro-crate-metadata.json", CRATE), CuratedFile("large", size, blocks)]
    return experiment(datasets=(Dataset("", lambda: files),))


def _file(path: str, content: bytes) -> CuratedFile:
    return CuratedFile(path, len(content), lambda: iter([content]))


AnySite = TypeVar("AnySite", bound="Site")


class Site(ABC):
    """A repository, and the resource by which it is asked."""

    server: Repository
    resource: DepositResource

    @abstractmethod
    def drafts(self) -> list[str]:
        """The identifiers of all drafts."""

    @abstractmethod
    def names(self, draft: str) -> list[str]:
        """The names of the files of a draft, sorted; those that are not whole have a question mark behind them."""

    @abstractmethod
    def content(self, draft: str, name: str) -> bytes: ...

    @abstractmethod
    def limit(self, size: int) -> None:
        """Let files be no larger."""

    @abstractmethod
    def forbid(self) -> None:
        """Let the token's user write nothing."""

    @abstractmethod
    def publish(self, draft: str) -> None:
        """Do what only people do."""

    @abstractmethod
    def rewrite(self, draft: str) -> None:
        """Give it other words, as people do who look at it: the name of the run is in none of them."""

    @abstractmethod
    def sends(self) -> int:
        """How many contents were sent, and arrived."""


class InvenioSite(Site):
    def __init__(self, folder: Path, kind: type[InvenioRDM] = InvenioRDM) -> None:
        self.server = self.books = Invenio(folder)
        self.resource = kind(url=self.server.url, token=SecretStr(self.server.token), publisher="The Birds")

    def drafts(self) -> list[str]:
        return list(self.books.drafts)

    def names(self, draft: str) -> list[str]:
        files = self.books.drafts[draft]["files"].values()
        return sorted(entry["key"] + ("" if entry["status"] == "completed" else "?") for entry in files)

    def content(self, draft: str, name: str) -> bytes:
        return self.books.content(draft, name).read_bytes()

    def limit(self, size: int) -> None:
        self.books.size_limit = size

    def forbid(self) -> None:
        self.books.may_write = False

    def publish(self, draft: str) -> None:
        self.books.drafts[draft]["is_published"] = True

    def rewrite(self, draft: str) -> None:
        self.books.drafts[draft]["metadata"]["version"] = "1.0"

    def sends(self) -> int:
        return sum(method == "PUT" for method, _ in self.server.calls)


class DataverseSite(Site):
    def __init__(self, folder: Path) -> None:
        self.server = self.books = DataverseServer(folder)
        self.resource = Dataverse(
            url=self.server.url, token=SecretStr(self.server.token), dataverse=dataverse.ALIAS, contact="fiona@example.org"
        )

    def drafts(self) -> list[str]:
        return list(self.books.datasets)

    def names(self, draft: str) -> list[str]:
        return self.books.labels(draft)

    def content(self, draft: str, name: str) -> bytes:
        return self.books.content(draft, name).read_bytes()

    def limit(self, size: int) -> None:
        self.books.size_limit = size

    def forbid(self) -> None:
        self.books.may_add = False

    def publish(self, draft: str) -> None:
        self.books.datasets[draft]["state"] = "RELEASED"

    def rewrite(self, draft: str) -> None:
        fields = self.books.datasets[draft]["version"]["metadataBlocks"]["citation"]["fields"]
        fields[:] = [field for field in fields if field["typeName"] != "otherId"]

    def sends(self) -> int:
        return sum(path.endswith("/add") for _, path in self.server.calls)


@contextmanager
def running(site: AnySite) -> Generator[AnySite]:
    """The site while its server answers."""
    site.server.start()
    try:
        yield site
    finally:
        site.resource.close()
        site.server.stop()


KINDS: dict[str, Callable[[Path], Site]] = {
    "invenio": InvenioSite,
    "zenodo": lambda folder: InvenioSite(folder, Zenodo),
    "dataverse": DataverseSite,
}
