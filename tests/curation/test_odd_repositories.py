"""What real repositories do to deposits, as their sources have it, and their people do in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import AuthenticationRefused, CommandFailed, NotFound
from tests.curation.sites import FILES, DataverseSite, InvenioSite, experiment, running

OTHER = {**FILES, "output_0/1/result.json": b'{"x": 2}'}


@pytest.fixture
def dataverse(tmp_path: Path) -> Iterator[DataverseSite]:
    with running(DataverseSite(tmp_path)) as site:
        yield site


@pytest.fixture
def invenio(tmp_path: Path) -> Iterator[InvenioSite]:
    with running(InvenioSite(tmp_path)) as site:
        yield site


@pytest.mark.parametrize("status", [400, 403])
def test_a_dataset_that_is_locked_for_a_moment_is_waited_for(dataverse: DataverseSite, status: int) -> None:
    known: dict[str, str] = {}
    dataverse.books.locked = [status]
    assert dataverse.resource.publish(experiment(), "", known).sent == 2
    dataverse.books.locked = [status]
    assert dataverse.resource.publish(experiment(OTHER), "", known).sent == 1
    assert dataverse.books.locked == []


def test_one_that_stays_locked_is_told_as_that(dataverse: DataverseSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.patience.PATIENCE", 0.5)
    dataverse.books.locked = [403] * 100
    with pytest.raises(Exception, match=r"lets nothing change the dataset, as while it is in review: .* dataset lock"):
        dataverse.resource.publish(experiment(), "", {})


def test_a_dataverse_that_takes_no_files_over_http_is_told_at_once(dataverse: DataverseSite) -> None:
    dataverse.books.takes_files = False
    with pytest.raises(CommandFailed, match="takes no files over HTTP, and nothing can be deposited there"):
        dataverse.resource.publish(experiment(), "", {})
    assert dataverse.sends() == 1


def test_a_dataverse_that_unpacks_no_zip_is_told_with_the_setting(dataverse: DataverseSite) -> None:
    dataverse.books.zip_files_limit = 0
    with pytest.raises(CommandFailed, match=r"is over the limit \(0\).*travels in a zip; ask about its :ZipUploadFilesLimit"):
        dataverse.resource.publish(experiment(), "", {})


def test_a_dataverse_that_can_not_remove_files_says_what_to_do(dataverse: DataverseSite) -> None:
    known: dict[str, str] = {}
    dataverse.resource.publish(experiment(), "", known)
    dataverse.books.can_remove = False
    with pytest.raises(CommandFailed, match=r"no way for programs to remove files; remove .*\.zip there, and repeat"):
        dataverse.resource.publish(experiment(OTHER), "", known)


@pytest.mark.parametrize("into", ["42", "doi:10.5072/FK2/NOWHERE"])
def test_what_is_no_dataset_of_a_dataverse_is_told_with_what_one_is_like(dataverse: DataverseSite, into: str) -> None:
    (told,) = dataverse.resource.problems(into)
    assert told == f"{dataverse.server.url} has no dataset {into}; it is like doi:10.5072/FK2/ABCDEF"
    with pytest.raises(NotFound, match="it is like doi:"):
        dataverse.resource.publish(experiment(), into, {})


@pytest.mark.parametrize(("license", "reason"), [("", "no license was given"), ("WTFPL", "does not offer the license WTFPL")])
def test_a_license_that_a_dataverse_gives_in_the_place_of_one_is_told_of(
    dataverse: DataverseSite, license: str, reason: str
) -> None:
    (told,) = dataverse.resource.publish(experiment(license=license), "", {}).warnings
    assert told.endswith(f"{reason}; choose one in the draft, which may have been given one that the repository prefers")


def test_a_commit_for_which_there_were_too_many_requests_sends_nothing_again(invenio: InvenioSite) -> None:
    invenio.server.busy = ("POST", "/commit")
    made = invenio.resource.publish(experiment(), "", {})
    assert invenio.server.busy is None
    assert (made.sent, invenio.sends()) == (2, 2)


def test_a_draft_without_files_is_told_as_that(invenio: InvenioSite) -> None:
    known: dict[str, str] = {}
    made = invenio.resource.publish(experiment(), "", known)
    invenio.books.without_files.add(made.identifier)
    for into in (made.identifier, ""):
        with pytest.raises(CommandFailed, match="is marked as metadata only; allow files there, and repeat"):
            invenio.resource.publish(experiment(), into, known)


def test_a_wrong_token_is_told_also_where_other_words_are_said_to_who_may_not_write(invenio: InvenioSite) -> None:
    invenio.resource.token = SecretStr("another-one")
    with pytest.raises(AuthenticationRefused, match="does not accept the credentials"):
        invenio.resource.check()
