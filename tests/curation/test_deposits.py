"""Runs deposited in each kind of repository, whatever happens on the way."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from blocks.curation import deposit, signs
from blocks.curation.dataverse import Dataverse
from blocks.curation.experiment import Author, Publication
from blocks.errors import AuthenticationRefused, CommandFailed, InvalidRequest, NotFound, Unreachable
from tests.curation.sites import FILES, KINDS, RUN, DataverseSite, InvenioSite, Site, experiment, large, running

MEGABYTE = 1 << 20
ARCHIVE = f"{RUN}.zip"
NAMES = [ARCHIVE, "ro-crate-metadata.json"]


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with running(KINDS[request.param](tmp_path)) as site:
        yield site


def test_a_run_becomes_one_draft_with_an_archive_that_holds_its_folder(site: Site) -> None:
    made = site.resource.publish(experiment(), "", {})

    assert site.drafts() == [made.identifier]
    assert made.sent == 2
    assert made.warnings == ()
    assert made.url.startswith(site.server.url)
    assert site.names(made.identifier) == NAMES
    with zipfile.ZipFile(io.BytesIO(site.content(made.identifier, ARCHIVE))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
    assert site.content(made.identifier, "ro-crate-metadata.json") == FILES["ro-crate-metadata.json"]


def test_who_waits_is_told_what_is_sent_and_how_far_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "SECONDS", 0.0)
    said: list[str] = []
    place = site.resource.describe()
    known: dict[str, str] = {}
    site.resource.publish(large(MEGABYTE), "", known, said.append)
    assert [words for words in said if words.startswith("sending")] == [
        f"sending {ARCHIVE}, 1.0 MB, to {place}",
        f"sending ro-crate-metadata.json, 0.0 MB, to {place}",
    ]
    assert "0.5 MB of 1.0 MB" in said
    again: list[str] = []
    site.resource.publish(large(MEGABYTE), "", known, again.append)
    assert again
    assert not any(words.startswith("sending") for words in again), "it is only read, to be compared"


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_second_deposit_finds_the_first_and_sends_nothing(site: Site, is_remembered: bool) -> None:
    known: dict[str, str] = {}
    first = site.resource.publish(experiment(), "", known)
    time.sleep(1.2)  # until the index of a search knows of it
    second = site.resource.publish(experiment(), "", known if is_remembered else {})

    assert (second.identifier, second.sent) == (first.identifier, 0)
    assert site.drafts() == [first.identifier]
    assert site.sends() == 2


@pytest.mark.parametrize("changed", [{"license": "CC0-1.0"}, {"title": "Better"}, {"authors": (Author("Owl"),)}])
def test_other_words_for_a_draft_that_is_there_are_told_not_to_be_in_it(site: Site, changed: dict[str, Any]) -> None:
    known: dict[str, str] = {}
    draft = site.resource.publish(experiment(), "", known).identifier
    for _ in range(2):
        again = site.resource.publish(experiment(**changed), "", known)
        assert again.identifier == draft
        assert again.warnings == (
            "the draft keeps the title, the authors and the license that it was made with; change them there",
        )
    assert site.resource.publish(experiment(), "", known).warnings == ()
    assert site.resource.publish(experiment(run="other", **changed), "", known).warnings == ()


def test_a_name_that_is_no_text_is_left_out_with_a_warning_and_keeps_the_others_from_nothing(site: Site) -> None:
    made = site.resource.publish(experiment({**FILES, "a\udcff": b"1", "b\udcff/c": b"2"}), "", {})
    (warning,) = made.warnings
    assert "not UTF-8 is left out: 2 in all, such as 'a\\udcff'" in warning
    with zipfile.ZipFile(io.BytesIO(site.content(made.identifier, ARCHIVE))) as archive:
        assert sorted(archive.namelist()) == sorted(FILES)


def test_what_has_changed_since_takes_the_place_of_what_was_sent(site: Site) -> None:
    known: dict[str, str] = {}
    draft = site.resource.publish(experiment(), "", known).identifier
    assert site.resource.publish(experiment({**FILES, "late": b"!"}), "", known).sent == 1

    assert site.names(draft) == NAMES
    with zipfile.ZipFile(io.BytesIO(site.content(draft, ARCHIVE))) as archive:
        assert archive.read("late") == b"!"


def test_a_run_goes_into_a_draft_that_the_user_has_made(site: Site) -> None:
    (own,) = [site.resource.publish(experiment(run="other", title="Mine"), "", {}).identifier]
    made = site.resource.publish(experiment(), own, {})

    assert site.drafts() == [own]
    assert made.identifier == own
    assert ARCHIVE in site.names(own)


def test_a_draft_that_is_not_there_is_told_before_anything_is_sent(site: Site) -> None:
    assert site.resource.problems("nothing-like-it")
    with pytest.raises(NotFound, match="nothing-like-it"):
        site.resource.publish(experiment(), "nothing-like-it", {})
    assert site.drafts() == []


def test_a_draft_that_was_thrown_away_is_made_anew_and_a_published_one_stays_as_it_is(site: Site) -> None:
    known = {"draft": "gone"}
    draft = site.resource.publish(experiment(), "", known).identifier
    site.publish(draft)
    with pytest.raises(CommandFailed, match="published already"):
        site.resource.publish(experiment({**FILES, "late": b"!"}), "", known)
    assert site.names(draft) == NAMES


@pytest.mark.parametrize("is_published", [False, True])
def test_what_has_the_number_of_the_draft_but_is_another_run_is_left_alone(site: Site, is_published: bool) -> None:
    other = site.resource.publish(experiment({"ro-crate-metadata.json": b"{}"}, run="other"), "", {}).identifier
    if is_published:
        site.publish(other)
    made = site.resource.publish(experiment(), "", {"draft": other})
    assert made.identifier != other
    assert site.names(other) == ["other.zip", "ro-crate-metadata.json"]
    assert site.names(made.identifier) == NAMES


@pytest.mark.parametrize("is_published", [False, True])
def test_a_draft_whose_words_somebody_has_changed_is_still_the_runs(site: Site, is_published: bool) -> None:
    known: dict[str, str] = {}
    draft = site.resource.publish(experiment(), "", known).identifier
    site.rewrite(draft)
    if is_published:
        site.publish(draft)
        with pytest.raises(CommandFailed, match="published already"):
            site.resource.publish(experiment(), "", known)
    else:
        assert site.resource.publish(experiment(), "", known).sent == 0
    assert site.drafts() == [draft]


def test_a_published_deposit_whose_words_are_being_edited_stays_as_it_is_too(tmp_path: Path) -> None:
    site = InvenioSite(tmp_path)
    site.server.start()
    known: dict[str, str] = {}
    draft = site.resource.publish(experiment(), "", known).identifier
    site.publish(draft)
    site.books.edited.add(draft)
    with pytest.raises(CommandFailed, match="published already"):
        site.resource.publish(experiment({**FILES, "late": b"!"}), "", known)
    with pytest.raises(CommandFailed, match="published already"):
        site.resource.publish(experiment({**FILES, "late": b"!"}), draft, {})
    site.resource.close()
    site.server.stop()


def test_a_repository_below_a_path_of_its_address_is_found_there(site: Site) -> None:
    site.server.below = "/data/repository"
    settings = {name: getattr(site.resource, name) for name in type(site.resource).settings()}
    moved = type(site.resource)(**{**settings, "url": f"{site.server.url}{site.server.below}/"})
    made = moved.publish(experiment(), "", {})
    assert moved.publish(experiment(), made.identifier, {}).sent == 0
    assert moved.check()
    moved.close()
    assert site.drafts() == [made.identifier]
    assert site.names(made.identifier) == NAMES


def test_an_upload_whose_connection_is_cut_is_made_again(site: Site) -> None:
    site.server.cut_after = 3 * MEGABYTE
    made = site.resource.publish(large(8 * MEGABYTE), "", {})
    assert site.drafts() == [made.identifier]
    assert site.names(made.identifier) == NAMES


def test_a_server_that_is_away_for_a_while_is_waited_for(site: Site) -> None:
    site.server.cut_after = 3 * MEGABYTE
    done: list[Publication] = []
    thread = threading.Thread(target=lambda: done.append(site.resource.publish(large(8 * MEGABYTE), "", {})))
    thread.start()
    assert site.server.held.wait(250)
    with site.server.away(3):
        thread.join(250)
    assert len(done) == 1
    assert site.drafts() == [done[0].identifier]
    assert site.names(done[0].identifier) == NAMES


@pytest.mark.parametrize("lost", ["draft", "content", "end"])
def test_what_was_done_though_its_answer_was_lost_is_not_done_twice(site: Site, lost: str) -> None:
    ends = {"draft": ("POST", "/records"), "content": ("PUT", "/content"), "end": ("POST", "/commit")}
    if isinstance(site, DataverseSite):
        ends = {"draft": ("POST", "/datasets"), "content": ("POST", "/add"), "end": ("GET", "/files")}
    site.server.lose = ends[lost]
    made = site.resource.publish(experiment(), "", {})

    assert site.server.lose is None
    assert site.drafts() == [made.identifier]
    assert site.names(made.identifier) == NAMES


@pytest.mark.parametrize("what", ["content", "end"])
def test_an_upload_that_a_proxy_lost_its_patience_with_is_seen_to_arrive(
    site: Site, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deposit, "_PAUSE", 0.1)
    ends = {"content": ("PUT", f"{ARCHIVE}/content"), "end": ("POST", f"{ARCHIVE}/commit")}
    if isinstance(site, DataverseSite):
        ends = dict.fromkeys(ends, ("POST", "/add"))
    site.server.give_up = ends[what]
    made = site.resource.publish(experiment(), "", {})

    assert site.server.give_up is None
    assert site.sends() == 2
    assert site.names(made.identifier) == NAMES


def test_what_arrives_damaged_is_sent_once_more(site: Site) -> None:
    site.server.damage = 1
    made = site.resource.publish(experiment(), "", {})
    assert site.sends() == 3
    assert site.names(made.identifier) == NAMES
    assert site.content(made.identifier, ARCHIVE).endswith(b"\0\0")


def test_what_arrives_damaged_always_is_removed_and_told(site: Site) -> None:
    site.server.damage = 1000
    with pytest.raises(CommandFailed, match="arrived damaged"):
        site.resource.publish(experiment(), "", {})
    (draft,) = site.drafts()
    assert site.names(draft) == []


def test_a_wrong_token_is_told_and_never_shown(site: Site) -> None:
    token = "not-the-token-at-all"
    site.resource.token = SecretStr(token)
    for act in (site.resource.check, lambda: site.resource.publish(experiment(), "", {})):
        with pytest.raises(AuthenticationRefused, match="does not accept") as raised:
            act()
        assert token not in str(raised.value)
        assert "{" not in str(raised.value), "the words for people, not the JSON around them"
    assert token not in repr(site.resource)


def test_a_check_leaves_nothing_and_tells_who_may_not_write(site: Site) -> None:
    assert site.resource.check()
    assert site.drafts() == []
    site.forbid()
    with pytest.raises(AuthenticationRefused):
        site.resource.check()


def test_what_is_too_large_is_told_in_the_words_of_the_repository(site: Site) -> None:
    site.limit(MEGABYTE)
    with pytest.raises(CommandFailed, match="limit"):
        site.resource.publish(large(2 * MEGABYTE), "", {})


def test_all_that_is_missing_is_told_at_once_and_nothing_is_sent(site: Site) -> None:
    wrong = experiment(title=" ", authors=())
    with pytest.raises(InvalidRequest) as raised:
        site.resource.publish(wrong, "", {})
    assert ["title" in raised.value.problems[0], "author" in raised.value.problems[1]] == [True, True]
    assert site.server.calls == []


def test_a_repository_that_is_nowhere_is_told_after_a_moment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.patience.DOUBT", 0.5)
    site.server.stop()
    with pytest.raises(Unreachable, match="can't be reached"):
        site.resource.publish(experiment(), "", {})


# Deposits so many bytes with a pause before each block, and says how much memory that took at most.
DEPOSIT = """
import pickle, sys, time, tracemalloc
from tests.curation.sites import large

resource = pickle.load(sys.stdin.buffer)
tracemalloc.start()
resource.publish(large(int(sys.argv[1]), lambda: time.sleep(float(sys.argv[2]))), "", {})
print(tracemalloc.get_traced_memory()[1])
"""


@contextmanager
def depositing(site: Site, size: int, pause: float = 0.0) -> Generator[subprocess.Popen[bytes]]:
    """A process of its own that deposits a file of so many bytes, with a pause before each block of it."""
    command = [sys.executable, "-c", DEPOSIT, str(size), str(pause)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(pickle.dumps(site.resource))
            process.stdin.close()
            yield process
        finally:
            process.kill()


def test_large_runs_take_little_memory(site: Site) -> None:
    with depositing(site, 96 * MEGABYTE) as process:
        assert process.stdout is not None
        peak = int(process.stdout.read())
    assert peak < 32 * MEGABYTE, peak


@pytest.mark.parametrize("where", ["upload", "draft"])
def test_a_deposit_whose_process_was_killed_goes_on(site: Site, where: str) -> None:
    """Nothing was remembered: what there is, is found by looking."""
    if where == "draft":
        site.server.lose = ("POST", "/datasets" if isinstance(site, DataverseSite) else "/records")
    with depositing(site, 8 * MEGABYTE, pause=0.02) as process:
        if where == "upload":
            assert site.server.held.wait(250)
        else:
            _until(lambda: bool(site.drafts()))
        process.kill()
    time.sleep(1.2)  # until the index of a search knows of the draft

    made = site.resource.publish(large(8 * MEGABYTE), "", {})
    assert site.drafts() == [made.identifier]
    assert site.names(made.identifier) == NAMES


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 250
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_invenio_is_told_what_it_keeps_of_a_record(tmp_path: Path) -> None:
    site = InvenioSite(tmp_path)
    site.server.start()
    made = site.resource.publish(experiment(), "", {})
    told = site.books.drafts[made.identifier]["metadata"]
    site.resource.close()
    site.server.stop()

    assert told == {
        "resource_type": {"id": "dataset"},
        "title": "Random numbers",
        "publication_date": "2026-09-21",
        "creators": [
            {
                "person_or_org": {
                    "type": "personal",
                    "family_name": "Finch",
                    "given_name": "Fiona",
                    "identifiers": [{"scheme": "orcid", "identifier": "0000-0002-1825-0097"}],
                },
                "affiliations": [{"name": "Birds Inc."}],
            },
            {"person_or_org": {"type": "personal", "family_name": "Owl"}},
        ],
        "description": "<p>Numbers, drawn &lt;at random&gt;.</p><p>With a seed.</p>",
        "subjects": [{"subject": "numbers"}],
        "publisher": "The Birds",
        "rights": [{"id": "cc-by-4.0"}],
        "version": RUN,
    }


def test_a_license_that_a_repository_does_not_know_is_left_out_and_told(site: Site) -> None:
    made = site.resource.publish(experiment(license="Beerware"), "", {})
    (warning,) = made.warnings
    assert "license" in warning or "rights" in warning


def test_dataverse_has_a_contact_and_a_description(tmp_path: Path) -> None:
    site = DataverseSite(tmp_path)
    with pytest.raises(InvalidRequest, match="has no description"):
        site.resource.publish(experiment(description=" "), "", {})
    with pytest.raises(ValidationError, match="must be an e-mail address"):
        Dataverse(url="https://data.example.org", dataverse="birds", contact="Fiona")


def test_dataverse_may_have_checksums_of_another_kind(tmp_path: Path) -> None:
    site = DataverseSite(tmp_path)
    site.books.algorithm = "SHA-256"
    site.server.start()
    known: dict[str, str] = {}
    assert site.resource.publish(experiment(), "", known).sent == 2
    assert site.resource.publish(experiment(), "", known).sent == 0
    site.resource.close()
    site.server.stop()
