"""Repositories that keep a run as one archive in a draft, which people look at and publish there."""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Iterator, MutableMapping
from dataclasses import replace

from pydantic import Field, PrivateAttr, SecretStr

from blocks.curation.archive import Archive, Listed, listed
from blocks.curation.deposit_file import Blocks, DepositFile
from blocks.curation.experiment import CuratedFile, Dataset, Experiment, Publication
from blocks.curation.http import Address, Repository, Unanswered
from blocks.curation.orcid import is_orcid
from blocks.curation.pasted import pasted, unfit
from blocks.curation.resource import CurationResource
from blocks.curation.signs import Say, Signs, unheard
from blocks.errors import CommandFailed, InvalidRequest

DESCRIPTION = "ro-crate-metadata.json"  # which stands beside the archive too, for those who don't open it
SETTLING = 300.0  # seconds in which a file may still come to be there whose sending was not answered
_PAUSE = 3.0  # seconds between two looks for it
_ATTEMPTS = 2  # at sending a file that arrives damaged


class DepositResource(CurationResource):
    """A repository with drafts. Nothing is ever published here, so that a mistake can be mended, or thrown away."""

    url: Address = Field(title="Address", description="Of its front page, such as https://data.example.org.")
    token: SecretStr | None = Field(default=None, title="Token", description="The API token of your account there.")
    authority_file: str = Field(
        default="", title="Certificate authority", description="The certificates by which the repository's own one is verified."
    )

    _repository: Repository | None = PrivateAttr(default=None)

    @property
    def wanted_secrets(self) -> list[str]:
        """The settings, all of them secrets, without which the others are of no use."""
        return ["token"]

    def describe(self) -> str:
        return self.url

    def publish(self, experiment: Experiment, into: str, known: MutableMapping[str, str], say: Say = unheard) -> Publication:
        if wrong := [*self._mistakes(), *_missing(experiment), *self._unfit(experiment)]:
            raise InvalidRequest(*wrong)
        files, left_out = _deposited(experiment.run, tuple(experiment.datasets), Signs(say))
        draft, url, warnings = self._draft(experiment, into, known)
        if not into:
            warnings += _unheeded(experiment, draft, known)
        known["draft"] = draft
        sent = sum(self._bring(draft, file, say) for file in files)
        return Publication(draft, url, sent, (*warnings, *left_out))

    def problems(self, into: str) -> list[str]:
        return self._mistakes()

    def close(self) -> None:
        if self._repository is not None:
            self._repository.close()
        self._repository = None

    @property
    def _api(self) -> Repository:
        """The API, with the token.

        Raises:
            InvalidRequest: there is no token.
        """
        if self._repository is None:
            if wrong := self._mistakes():
                raise InvalidRequest(*wrong)
            token = pasted(self.token)
            self._repository = Repository(
                self.describe(), self.url, headers=self._headers(token), secrets=[token], authority_file=self.authority_file
            )
        return self._repository

    def _mistakes(self) -> list[str]:
        """What is wrong with the settings."""
        token = pasted(self.token)
        if not token:
            return [f"the {self.kind} resource has no token; make one in your account there, and save the resource anew"]
        return unfit(token, f"the token of the {self.kind} resource")

    def _bring(self, draft: str, file: DepositFile, say: Say) -> bool:
        """See that a file is in the draft, whole; returns whether it had to be sent."""
        kept = self._api.insist(lambda: self._kept(draft, file.name))
        if kept and file.has(kept):
            return False
        for _ in range(_ATTEMPTS):
            say(f"sending {file.name}, {file.size / 1e6:,.1f} MB, to {self.describe()}")
            if file.has(self._api.insist(lambda: self._sent(draft, file, say))):
                return True
        self._api.insist(lambda: self._remove(draft, file.name))
        raise CommandFailed(
            f"{file.name} arrived damaged in {self.describe()}, {_ATTEMPTS} times; it was removed there: try again later, "
            "and tell the people of the repository"
        )

    def _sent(self, draft: str, file: DepositFile, say: Say) -> str:
        """The checksum of a file that is sent, if it is not there already: the answer to a first attempt may have been lost."""
        kept = self._kept(draft, file.name)
        if kept == "":  # it may have arrived, and only not have been declared whole
            kept = self._arrived(draft, file.name)
        if kept and file.has(kept):
            return kept
        if kept is not None:
            self._remove(draft, file.name)
        try:
            return self._send(draft, file)
        except Unanswered:
            say(f"{self.describe()} did not say whether it has {file.name}; looking for it for up to {SETTLING / 60:g} minutes")
            if arrived := self._arrived_late(draft, file):
                return arrived
            raise

    def _arrived_late(self, draft: str, file: DepositFile) -> str:
        """The checksum of a file that is seen to be there after all, or "". Sent again at once, it might be there twice."""
        until = time.monotonic() + SETTLING
        while not (arrived := self._arrived(draft, file.name)) and time.monotonic() < until:
            time.sleep(_PAUSE)
        return arrived

    def _arrived(self, draft: str, name: str) -> str:
        """The checksum of a file of the draft; "" if it is not there, or not whole."""
        return self._kept(draft, name) or ""

    @abstractmethod
    def _headers(self, token: str) -> dict[str, str]:
        """What tells the repository who asks."""

    @abstractmethod
    def _unfit(self, experiment: Experiment) -> list[str]:
        """What the repository needs besides, and was not given, in sentences."""

    @abstractmethod
    def _draft(self, experiment: Experiment, into: str, known: MutableMapping[str, str]) -> tuple[str, str, list[str]]:
        """The draft, found or made: its identifier, its address for people, and what was not taken as it was given."""

    @abstractmethod
    def _kept(self, draft: str, name: str) -> str | None:
        """The checksum of a file of the draft, as ``md5:...``; "" if it is not whole, None if it is not there."""

    @abstractmethod
    def _remove(self, draft: str, name: str) -> None:
        """Remove a file from the draft."""

    @abstractmethod
    def _send(self, draft: str, file: DepositFile) -> str:
        """Send a file that is not there, once, and return its checksum as the repository has it."""


def archive_name(run: str) -> str:
    """What the archive is called, by which a draft is known as the run's though somebody has given it other words."""
    return f"{run}.zip"


def _unheeded(experiment: Experiment, draft: str, known: MutableMapping[str, str]) -> list[str]:
    """That a draft which was there keeps other words than those it would be made with now: people may have changed them."""
    words = json.dumps([experiment.title, [str(author) for author in experiment.authors], experiment.license])
    if known.get("draft") != draft:
        known["words"] = words
    if known.setdefault("words", words) == words:
        return []
    return ["the draft keeps the title, the authors and the license that it was made with; change them there"]


def _missing(experiment: Experiment) -> list[str]:
    """What every repository needs, and would refuse without, in sentences."""
    found = [] if experiment.title.strip() else ["the deposit has no title; give one with --title"]
    if not experiment.authors or not all(author.name.strip() for author in experiment.authors):
        found.append("the deposit has no author; give one with --author 'Family, Given; ORCID'")
    found += [
        f"{author.orcid!r} of {author.name} is no ORCID, which is like 0000-0002-1825-0097; see --author"
        for author in experiment.authors
        if author.orcid and not is_orcid(author.orcid)
    ]
    return found


def _deposited(run: str, datasets: tuple[Dataset, ...], signs: Signs) -> tuple[list[DepositFile], list[str]]:
    """The archive, and what describes it, with what is left out, in sentences; all is listed here, and read when it is sent."""
    there: list[Listed] = []
    described: list[DepositFile] = []
    unnamable: list[str] = []
    for file in _files(datasets):
        if not _has_text(file):
            unnamable.append(file.path)
            continue
        there.append(listed(file))
        if file.path == DESCRIPTION:
            content = b"".join(file.content())
            described.append(DepositFile(DESCRIPTION, len(content), "application/json", lambda content=content: iter([content])))
    archive = Archive(there, lambda: filter(_has_text, _files(datasets)))
    left_out = (
        [f"what has a name that is not UTF-8 is left out: {len(unnamable)} in all, such as {unnamable[0]!r}"] if unnamable else []
    )
    blocks = _watched(archive, signs)
    return [DepositFile(archive_name(run), archive.size, "application/zip", blocks), *described], left_out


def _watched(archive: Archive, signs: Signs) -> Blocks:
    """The content of an archive, of which is said how far it is read."""

    def blocks() -> Iterator[bytes]:
        passed = 0
        for block in archive.blocks():
            yield block
            passed += len(block)
            signs.how_far(f"{passed / 1e6:,.1f} MB of {archive.size / 1e6:,.1f} MB")

    return blocks


def _files(datasets: tuple[Dataset, ...]) -> Iterator[CuratedFile]:
    """The files of all; a dataset is a folder, but one without a name, whose files are at the top."""
    for dataset in datasets:
        for file in dataset.files():
            yield replace(file, path=f"{dataset.name}/{file.path}") if dataset.name else file


def _has_text(file: CuratedFile) -> bool:
    """Whether a zip can have a file of this name that everybody reads as it was."""
    try:
        file.path.encode()
    except UnicodeEncodeError:
        return False
    return True
