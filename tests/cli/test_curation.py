"""Publishing runs in MyTardis from the command line: at their end, later, again; and asking for what can't be."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_documentation import Person
from tests.files import contents
from tests.servers.mytardis import ALICE, BOB, MyTardisServer

PASSING = """
from flows import Inputs, SmartConnector


class Passing(SmartConnector):
    class Inputs(Inputs):
        words: str = "x"

    name = "passing"
    description = "Passes."
"""

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[MyTardisServer]:
    server = MyTardisServer(verification=0.05)
    server.register_graphs()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def repository(chiminey: CommandLine, server: MyTardisServer) -> Iterator[str]:
    """The name under which it is saved."""
    asked = ("resource", "add", "mytardis", "archive", f"url={server.url}", f"username={ALICE.name}")
    added = chiminey(*asked, input=f" {ALICE.api_key}\t \r\n")  # as it was pasted
    assert added.code == 0, added.errors
    assert f"archive: {server.url} accepts the credentials of alice" in added.output
    yield "archive"
    assert chiminey("resource", "remove", "archive").code == 0


def sent(server: MyTardisServer) -> tuple[int, int]:
    return len(server.table("experiment")), len(server.table("dataset_file"))


def test_the_key_is_asked_for_unseen_tried_and_never_shown(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    shown = chiminey("resource", "show", repository)
    assert "api_key: ****" in shown.output
    assert ALICE.api_key not in shown.output
    assert f"{repository:20} mytardis       {server.url}" in chiminey("resource", "list").output

    wrong = chiminey("resource", "add", "mytardis", "other", f"url={server.url}", "username=bob", input="no-such-key\n")
    assert wrong.code == 4
    assert "does not accept the credentials" in wrong.errors
    assert "no-such-key" not in wrong.errors
    on_the_line = chiminey("resource", "add", "mytardis", "other", f"url={server.url}", "username=bob", "api_key=x")
    assert (on_the_line.code, "all users of this machine could read it" in on_the_line.errors) == (2, True)
    plain = chiminey("resource", "add", "mytardis", "other", "url=http://mytardis.example.org", "username=bob", input="x\n")
    assert (plain.code, "begins with https://" in plain.errors) == (2, True)


def test_a_key_that_was_pasted_with_more_than_itself_is_refused_at_once_and_is_nowhere_afterwards(
    chiminey: CommandLine, server: MyTardisServer
) -> None:
    pasted = "pasted-key-77\tand-more-77"
    asked = ("resource", "add", "mytardis", "smudged", f"url={server.url}", "username=alice")
    refused = chiminey(*asked, input=f"{pasted}\n")
    assert (refused.code, "the API key has a space, a line end" in refused.errors) == (2, True), refused.errors
    saved = chiminey(*asked, "--no-check", input=f"{pasted}\n")
    assert saved.code == 0, saved.errors
    ran = chiminey("run", "randnum", "--curate", "smudged")
    assert (ran.code, "the API key has a space, a line end" in ran.errors) == (2, True), ran.errors

    said = "".join(f"{done.output}{done.errors}" for done in (refused, saved, ran))
    kept = [content for root in (chiminey.environment["CHIMINEY_HOME"], chiminey.folder) for _, content in contents(Path(root))]
    assert "key-77" not in said
    assert "more-77" not in said
    assert not any(secret in content for content in kept for secret in (b"key-77", b"more-77"))
    assert chiminey("resource", "remove", "smudged").code == 0


def test_a_password_is_asked_for_in_the_place_of_a_key(chiminey: CommandLine, server: MyTardisServer) -> None:
    asked = ("resource", "add", "mytardis", "by-password", f"url={server.url}", "username=bob", "--secret", "password")
    added = chiminey(*asked, input=f"{BOB.password}\n")
    assert added.code == 0, added.errors
    assert chiminey("resource", "remove", "by-password").code == 0


def test_a_run_is_published_when_it_has_ended_and_curate_finds_all_of_it_there(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    done = chiminey("run", "randnum", "--sweep", '{"k": [1, 2]}', "--curate", repository, "--json")
    assert done.code == 0, done.errors
    result = done.object
    assert result["curated"].startswith(f"{server.url}/experiment/view/")
    assert f"curated: {result['curated']}" in done.errors
    assert len(server.table("dataset")) == 4
    shown = chiminey("show", result["name"])
    assert f"{repository}: done {result['curated']}" in shown.output

    before = sent(server)
    again = chiminey("curate", result["name"], "--json")
    assert again.code == 0, again.errors
    assert (again.object["curated"], again.object["sent"]) == (result["curated"], 0)
    assert sent(server) == before


def test_a_run_is_published_later_and_in_an_experiment_that_is_named(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    name = chiminey("run", "randnum", "--json").object["name"]
    nowhere = chiminey("curate", name)
    assert (nowhere.code, "--to NAME" in nowhere.errors) == (2, True)
    mine = server.rows.add_experiment(ALICE, {"title": "mine"})
    done = chiminey("curate", name, "--to", repository, "--experiment", str(mine["id"]), "--json")
    assert done.code == 0, done.errors
    assert done.object["experiment"] == str(mine["id"])
    record = Path(chiminey.folder / "chiminey-output" / name / "run.json")
    assert json.loads(record.read_text())["curated"] == done.object["curated"]
    assert chiminey("verify", name).code == 0, "the crate has the checksum of the new record"


def test_of_a_run_that_failed_in_part_is_published_what_completed(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    """The task whose k is 2 fails."""
    words = ("--sweep", '{"k": [1, 2]}', "--max-retry", "0", "--curate", repository)
    done = chiminey("run", "picky", *words, "--json")
    assert (done.object["state"], done.object["tasks"]["failed"]) == ("completed-with-failures", 1)
    assert datasets(server, done.object["curated"]) == ["0_0_1", "final_0_1"]
    again = chiminey("curate", done.object["name"], "--json")
    assert (again.code, again.object["sent"], again.object["curated"]) == (0, 0, done.object["curated"])


def test_of_a_run_that_was_cancelled_curate_publishes_what_completed(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    name = chiminey("run", "slow", "--sweep", '{"seconds": [0, 600]}', "--detach").output.strip()
    while not chiminey.run(name)["tasks"]["completed"]:
        time.sleep(0.2)
    unended = chiminey("curate", name, "--to", repository)
    assert (unended.code, "has not ended yet" in unended.errors) == (2, True)
    assert chiminey("cancel", name).code == 0

    done = chiminey("curate", name, "--to", repository, "--json")

    assert done.code == 0, done.errors
    assert datasets(server, done.object["curated"]) == ["0_0_1"]
    again = chiminey("curate", name, "--to", repository, "--json")
    assert (again.object["sent"], again.object["curated"]) == (0, done.object["curated"])


def datasets(server: MyTardisServer, url: str) -> list[str]:
    """Those of an experiment, by its address for people."""
    experiment = f"/api/v1/experiment/{url.rstrip('/').rpartition('/')[2]}/"
    return sorted(each["description"] for each in server.table("dataset") if experiment in each["experiments"])


def test_each_run_of_a_sweep_is_an_experiment(chiminey: CommandLine, server: MyTardisServer, repository: str) -> None:
    before = len(server.table("experiment"))
    done = chiminey("sweep", "randnum", "--sweep", '{"k": [1, 2]}', "--curate", repository, "--json")
    assert done.code == 0, done.errors
    assert len(server.table("experiment")) == before + 2
    again = chiminey("curate", done.object["name"], "--json")
    assert [run["sent"] for run in again.object["runs"]] == [0, 0]
    assert len(server.table("experiment")) == before + 2


def test_the_runs_of_a_sweep_go_into_an_experiment_that_is_named(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    mine = server.rows.add_experiment(ALICE, {"title": "of a sweep"})
    before = len(server.table("experiment"))
    words = ("--curate", repository, "--experiment", str(mine["id"]))
    done = chiminey("sweep", "randnum", "--sweep", '{"k": [1, 2]}', *words, "--json")
    assert done.code == 0, done.errors
    assert len(server.table("experiment")) == before
    held = [dataset for dataset in server.table("dataset") if mine["resource_uri"] in dataset["experiments"]]
    assert sorted(dataset["description"] for dataset in held) == ["0_0_1", "0_0_1", "final_0_1", "final_0_1"]


def test_a_repository_that_is_away_costs_a_warning_and_curate_does_it_later(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    server.stop()
    done = chiminey("run", "randnum", "--curate", repository, "--json")
    assert (done.code, done.object["state"], done.object["curated"]) == (0, "completed", "")
    assert f"do it later with: chiminey curate {done.object['name']}" in done.object["messages"][0]
    assert f"{repository}: failed" in chiminey("show", done.object["name"]).output
    still = chiminey("curate", done.object["name"])
    assert (still.code, "can't be reached" in still.errors) == (4, True)
    server.start()
    later = chiminey("curate", done.object["name"], "--json")
    assert later.code == 0, later.errors
    assert later.object["sent"] > 0
    assert f"{repository}: done" in chiminey("show", done.object["name"]).output


def test_a_ctrl_c_while_files_are_verified_leaves_that_to_curate_as_was_said(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    server.rows.verification = 1e9
    with chiminey.start("run", "randnum", "--curate", repository) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "waiting until it has verified them" in line)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=250)
    server.rows.verification = 0.05
    for number in list(server.rows.due):
        server.rows.verify(number)

    assert "(Ctrl-C leaves that to 'chiminey curate')" in said
    assert "the run is not curated: it was interrupted; do it later with: chiminey curate" in errors
    name = re.search(r"chiminey curate (randnum-\w+)", errors)
    assert name is not None, errors
    done = chiminey("curate", name[1], "--json")
    assert (done.code, done.object["sent"]) == (0, 0), done.errors


def test_what_can_t_be_published_is_told_before_anything_runs(
    chiminey: CommandLine, server: MyTardisServer, repository: str
) -> None:
    assert chiminey("resource", "add", "local-storage", "shelf", "path=/tmp").code == 0
    of_bob = server.rows.add_experiment(BOB, {"title": "of Bob"})
    runs = len(chiminey("jobs", "--json").object)
    sweep = ("sweep", "randnum", "--sweep", '{"k": [1, 2]}')
    for words, told in (
        (("--curate", "nowhere"), "there is no resource 'nowhere'"),
        (("--curate", "shelf"), "'shelf' is a storage resource; runs can't be published there"),
        (("--curate", repository, "--experiment", "999"), "has no experiment 999"),
        (("--curate", repository, "--experiment", str(of_bob["id"])), "is not yours"),
        (("--experiment", "1"), "name that with --curate"),
    ):
        for asked in (("run", "randnum"), sweep):
            refused = chiminey(*asked, *words)
            assert (refused.code, told in refused.errors) == (2, True), refused.errors
    assert len(chiminey("jobs", "--json").object) == runs
    chiminey("resource", "remove", "shelf")


def test_a_preset_keeps_where_runs_are_published(chiminey: CommandLine, server: MyTardisServer, repository: str) -> None:
    saved = chiminey("preset", "save", "published", "--connector", "randnum", "--curate", repository)
    assert saved.code == 0, saved.errors
    done = chiminey("run", "randnum", "--preset", "published", "--json")
    assert done.object["curated"], done.errors
    chiminey("preset", "delete", "published")


def test_the_page_about_it_does_what_it_says(chiminey: CommandLine, tmp_path: Path) -> None:
    server = MyTardisServer()
    names = {"https://mytardis.example.org": server.url, "username=me": f"username={ALICE.name}"}
    Person(chiminey, tmp_path, ALICE.api_key, names).follow("docs/curation.md")
    assert len(server.table("experiment")) == 4
    server.stop()
    assert chiminey("resource", "remove", "museum").code == 0


@pytest.mark.parametrize(
    ("since", "why"),
    [
        ("import what_was_not_installed_again\n", "there is no connector passing here"),
        (PASSING.replace('words: str = "x"', "number: int"), "the installed connector passing differs from the crate's"),
    ],
    ids=["gone", "with other inputs"],
)
def test_a_run_whose_connector_is_no_longer_what_it_was_is_published_by_the_copy_of_it_that_the_run_has(
    chiminey: CommandLine, server: MyTardisServer, repository: str, since: str, why: str
) -> None:
    folder = Path(chiminey.environment["CHIMINEY_PATH"]) / "passing"
    process = folder / "payload" / "process_payload"
    process.mkdir(parents=True)
    (folder / "connector.py").write_text(PASSING)
    (process / "main.sh").write_text('echo 1 >"$2/answer"\n')
    done = chiminey("run", "passing", "--json")
    assert done.code == 0, done.errors
    (folder / "connector.py").write_text(since)

    published = chiminey("curate", done.object["name"], "--to", repository, "--json")
    assert published.code == 0, published.errors
    assert why in published.errors
    assert "so the crate's own copy is used" in published.errors
    made = server.rows.table("experiment")[int(published.object["experiment"])]
    assert made["description"].startswith("Passes.")
    shutil.rmtree(folder)


def test_no_secret_is_left_in_the_home_or_in_the_results(chiminey: CommandLine, repository: str) -> None:
    home = Path(chiminey.environment["CHIMINEY_HOME"])
    looked_at = [each for root in (home, chiminey.folder) for each in contents(root)]
    assert any(b"archive" in content for _, content in looked_at)
    assert [path for path, content in looked_at if ALICE.api_key.encode() in content] == []
