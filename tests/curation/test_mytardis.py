"""Experiments that are published in MyTardis without a run: many files, other users, TLS, what somebody else changed there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from werkzeug.wrappers import Request, Response

from blocks.curation import CuratedFile, Dataset, Experiment, ParameterSet, Publication, graph, signs
from blocks.curation.mytardis import MyTardis
from blocks.errors import AuthenticationRefused, CommandFailed, InvalidRequest, NotFound, Unverified
from blocks.mytardis import api
from blocks.mytardis import files as mytardis_files
from tests.servers.certificate import self_signed
from tests.servers.mytardis import ALICE, BOB, CAROL, DAVE, PREFIX, MyTardisServer
from tests.servers.mytardis_server.rows import DATETIME, EXPERIMENT, LINK, STRING, Refused

MANY = 450  # files


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists come in several pages already when they have MANY rows."""
    monkeypatch.setattr(api, "PAGE", 200)


def file(path: str, content: bytes) -> CuratedFile:
    return CuratedFile(path, len(content), lambda: iter([content]))


def experiment(datasets: dict[str, list[CuratedFile]], sets: Iterable[ParameterSet] = ()) -> Experiment:
    made = (Dataset(name, lambda files=files: files) for name, files in datasets.items())
    return Experiment("sample-1", "results/sample-1", "A sample.", 0.0, made, tuple(sets))


def test_more_files_than_a_page_holds_arrive_once_each(server: MyTardisServer, repository: MyTardis, short_pages: None) -> None:
    many = [file(f"part-{number % 7}/{number}.txt", b"%d" % number) for number in range(1, MANY + 1)]
    known: dict[str, str] = {}
    assert repository.publish(experiment({"0_0_1": many}), "", known).sent == MANY
    assert repository.publish(experiment({"0_0_1": many}), "", {}).sent == 0
    assert len(server.table("dataset_file")) == MANY


def test_many_files_of_one_name_in_many_folders_arrive_once_each(
    server: MyTardisServer, repository: MyTardis, short_pages: None
) -> None:
    many = [file(f"{number}/result.txt", b"%d" % number) for number in range(1, MANY + 1)]
    assert repository.publish(experiment({"0_0_1": many}), "", {}).sent == MANY
    assert repository.publish(experiment({"0_0_1": many}), "", {}).sent == 0
    assert len(server.table("dataset_file")) == MANY


def test_a_file_that_is_more_than_the_server_takes_keeps_the_others_from_nothing(
    server: MyTardisServer, repository: MyTardis
) -> None:
    server.api.most = 100_000
    large = {"0_0_1": [file("a", b"1"), file("large", bytes(200_000)), file("z", b"2")], "0_0_2": [file("b", b"3")]}
    known: dict[str, str] = {}

    told = repository.publish(experiment(large), "", known)

    assert sorted(each["filename"] for each in server.table("dataset_file")) == ["a", "b", "z"]
    assert told.sent == 3
    assert len(told.warnings) == 1
    assert "0_0_1/large is not kept" in told.warnings[0]
    assert told.warnings[0].endswith(": Sorry, this request could not be processed. Please try again later.")
    server.api.most = 300_000
    assert repository.publish(experiment(large), "", known) == Publication(told.identifier, told.url, sent=1)


def test_a_server_that_takes_no_file_is_not_sent_all_of_them(server: MyTardisServer, repository: MyTardis) -> None:
    server.api.most = 10
    with pytest.raises(CommandFailed, match="refused POST"):
        repository.publish(experiment({"0_0_1": [file(f"{number}", b"1") for number in range(100)]}), "", {})
    assert server.posts("dataset_file") == 10


def test_a_file_whose_content_was_lost_half_way_is_told(server: MyTardisServer, repository: MyTardis) -> None:
    server.rows.broken_off.add("a")
    with pytest.raises(CommandFailed, match="0_0_1/a; its API"):
        repository.publish(experiment({"0_0_1": [file("a", b"1"), file("b", b"2")]}), "", {})
    assert [each["replicas"] != [] for each in server.table("dataset_file")] == [False, True]


def test_what_arrived_damaged_is_told_where_the_server_trusts_its_own_checksum(
    server: MyTardisServer, repository: MyTardis
) -> None:
    server.rows.has_own_checksums = True
    server.api.garbled.add("b")
    with pytest.raises(CommandFailed, match=r"0_0_1/b; its API"):
        repository.publish(experiment({"0_0_1": [file("a", b"1"), file("b", b"2")]}), "", {})


def test_links_and_times_are_left_out_once_for_all(server: MyTardisServer, repository: MyTardis) -> None:
    server.rows.register(f"{PREFIX}/about", EXPERIMENT, when=DATETIME, of=LINK, what=STRING)
    about = ParameterSet("about", {"when": "2026-11-26", "of": "https://example.org", "what": "water"})
    for _ in range(2):
        told = repository.publish(experiment({}, [about]), "", {})
        assert sum("is a link or a time there" in warning for warning in told.warnings) == 2
    (made,) = server.table("experiment")
    assert [[each["string_value"] for each in has["parameters"]] for has in made["parameter_sets"]] == [["water"]]


@pytest.mark.parametrize("name", ["none", "True"])
def test_a_name_that_is_a_value_to_the_server_is_found_again(server: MyTardisServer, repository: MyTardis, name: str) -> None:
    server.api.refused[name] = 500
    assert repository.publish(experiment({"0_0_1": [file(name, b"1")]}), "", {}).warnings == ()
    assert len(server.table("dataset_file")) == 1


def test_files_at_the_top_of_a_dataset_whose_names_are_not_kept_apart_by_the_server_are_not_doubled(
    server: MyTardisServer, repository: MyTardis
) -> None:
    for _ in range(2):
        repository.publish(experiment({"0_0_1": [file("a", b"1"), file("b/a", b"2")]}), "", {})
    assert [(each["directory"], each["filename"]) for each in server.table("dataset_file")] == [(None, "a"), ("b", "a")]


def test_another_file_of_the_same_name_is_told_and_not_written_over(server: MyTardisServer, repository: MyTardis) -> None:
    repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", {})
    with pytest.raises(CommandFailed, match="0_0_1/a"):
        repository.publish(experiment({"0_0_1": [file("a", b"2")]}), "", {})
    assert [each["md5sum"] for each in server.table("dataset_file")] == [hashlib.md5(b"1").hexdigest()]


def test_a_dataset_that_somebody_removed_is_made_anew(server: MyTardisServer, repository: MyTardis) -> None:
    known: dict[str, str] = {}
    repository.publish(experiment({"0_0_1": [file("a", b"1")], "0_0_2": [file("b", b"2")]}), "", known)
    del server.rows.table("dataset")[1]
    del server.rows.table("dataset_file")[1]

    again = experiment({"0_0_1": [file("a", b"1")], "0_0_2": [file("b", b"2")]})
    assert repository.publish(again, "", known).sent == 1

    assert sorted(each["description"] for each in server.table("dataset")) == ["0_0_1", "0_0_2"]
    assert sorted(each["filename"] for each in server.table("dataset_file")) == ["a", "b"]


def test_a_file_that_somebody_removed_is_sent_anew(server: MyTardisServer, repository: MyTardis) -> None:
    known: dict[str, str] = {}
    repository.publish(experiment({"0_0_1": [file("a", b"1"), file("b", b"2")]}), "", known)
    del server.rows.table("dataset_file")[2]
    assert repository.publish(experiment({"0_0_1": [file("a", b"1"), file("b", b"2")]}), "", known).sent == 1
    assert sorted(each["filename"] for each in server.table("dataset_file")) == ["a", "b"]


def test_a_dataset_whose_number_is_another_runs_by_now_is_made_anew(server: MyTardisServer, repository: MyTardis) -> None:
    """Some databases give the number of what was removed last again."""
    known: dict[str, str] = {}
    repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known)
    server.table("dataset")[0]["directory"] = "sample-2"
    assert repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known).sent == 1
    assert [each["directory"] for each in server.table("dataset")] == ["sample-2", "sample-1"]


def test_an_experiment_of_a_known_number_that_is_no_longer_the_runs_is_left_alone(
    server: MyTardisServer, repository: MyTardis
) -> None:
    server.rows.add_experiment(ALICE, {"title": "another", "description": "Chiminey run sample-2"})
    known = {"new/experiment": "/api/v1/experiment/1/", "new/whole 0_0_1": "1"}
    told = repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known)
    assert (told.identifier, told.sent) == ("2", 1)
    assert known["new/experiment"] == "/api/v1/experiment/2/"


def test_an_experiment_is_found_again_though_the_connector_describes_itself_in_other_words_by_now(
    server: MyTardisServer, repository: MyTardis
) -> None:
    repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", {})
    renewed = replace(experiment({"0_0_1": [file("a", b"1")]}), description="A better sample.")
    assert repository.publish(renewed, "", {}).sent == 0
    assert len(server.table("experiment")) == 1


def test_an_experiment_that_is_somebody_elses_by_now_is_made_anew(server: MyTardisServer, repository: MyTardis) -> None:
    known: dict[str, str] = {}
    repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known)
    server.table("experiment")[0]["owner_ids"] = [BOB.id]
    assert repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known).identifier == "2"


def test_an_experiment_whose_words_somebody_has_changed_is_still_the_runs(server: MyTardisServer, repository: MyTardis) -> None:
    known: dict[str, str] = {}
    repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known)
    server.table("experiment")[0] |= {"title": "Water", "description": "What we found."}
    told = repository.publish(experiment({"0_0_1": [file("a", b"1")], "0_0_2": [file("a", b"2")]}), "", known)
    assert (told.identifier, told.sent) == ("1", 1)


def test_names_that_need_care_come_back_as_they_were(server: MyTardisServer, repository: MyTardis) -> None:
    names = ['a b+c%20"d".txt', "größe_µ.dat", "semi;colon", "x=y&z?#"]
    repository.publish(experiment({"0_0_1": [file(f"{name}/{name}", b"1") for name in names]}), "", {})
    assert sorted(each["filename"] for each in server.table("dataset_file")) == sorted(names)
    assert {each["directory"] for each in server.table("dataset_file")} == set(names)
    assert repository.publish(experiment({"0_0_1": [file(f"{name}/{name}", b"1") for name in names]}), "", {}).sent == 0


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("n" * 256, "its path is too long"),
        ("\u6e2c" * 86, "its path is too long"),  # three bytes each
        ("\u6e2c" * 29 + "/a", "its path is too long"),  # which a server writes as nine
        ("/".join(["folder"] * 40) + "/a", "its path is too long"),
        ("a\\b", "takes no name with a backslash"),
    ],
)
def test_a_path_that_the_server_can_not_keep_is_left_out_with_a_warning(
    server: MyTardisServer, repository: MyTardis, path: str, why: str
) -> None:
    told = repository.publish(
        experiment({"0_0_1": [file(path, b"1"), file("n" * 255, b"1"), file("\u6e2c" * 28 + "/a", b"1")]}), "", {}
    )
    (warning,) = told.warnings
    assert warning.startswith(f"0_0_1/{path} is left out")
    assert why in warning
    assert len(server.table("dataset_file")) == 2


def test_a_dataset_whose_name_is_too_long_for_the_servers_disk_has_a_shorter_one(
    server: MyTardisServer, repository: MyTardis
) -> None:
    names = ["input_0/" + "\u6e2c" * 40 + str(number) for number in range(2)]
    for sent in (2, 0):
        assert repository.publish(experiment({name: [file("a", b"1")] for name in names}), "", {}).sent == sent
    assert len({each["description"] for each in server.table("dataset")}) == 2
    assert {each["description"][:20] for each in server.table("dataset")} == {names[0][:20]}


@pytest.mark.parametrize("path", ["bad\udcff.txt", "bad\udcff/a"])
def test_a_name_that_is_no_text_is_left_out_with_a_warning_and_keeps_the_others_from_nothing(
    server: MyTardisServer, repository: MyTardis, path: str
) -> None:
    files = [file(path, b"1"), file("z", b"2")]
    told = repository.publish(experiment({"0_0_1": files, "0_0_2": [file("b", b"3")]}), "", {})
    (warning,) = told.warnings
    assert warning.startswith(f"0_0_1/{path} is left out".replace("\udcff", "\\udcff"))
    assert "not UTF-8" in warning
    assert told.sent == 2
    assert sorted(each["filename"] for each in server.table("dataset_file")) == ["b", "z"]


def test_other_words_that_are_no_text_are_written_out(server: MyTardisServer, repository: MyTardis) -> None:
    server.rows.register(f"{PREFIX}/about", EXPERIMENT, what=STRING)
    odd = replace(
        experiment({"input_0/\udcff": [file("a", b"1")]}, [ParameterSet("about", {"what": "wa\0ter \ud800"})]),
        title="results/\udcff",
        description='With {"x": "\ud800"}.',
    )
    known: dict[str, str] = {}
    for sent in (1, 0):
        again = replace(odd, datasets=[Dataset("input_0/\udcff", lambda: [file("a", b"1")])])
        assert repository.publish(again, "", known).sent == sent
    (made,) = server.table("experiment")
    assert (made["title"], made["description"].splitlines()[0]) == ("results/\\udcff", 'With {"x": "\\ud800"}.')
    assert [[each["string_value"] for each in has["parameters"]] for has in made["parameter_sets"]] == [["wa\\x00ter \\ud800"]]
    assert [each["description"] for each in server.table("dataset")] == ["input_0/\\udcff"]


@pytest.mark.parametrize("secret", ["api_key", "password"])
def test_a_secret_that_the_server_repeats_is_not_told(
    server: MyTardisServer, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = getattr(ALICE, secret)

    def refuse(_request: Request) -> Response:
        raise Refused(400, f"{told} is not what was expected")

    monkeypatch.setattr(server.api, "_answer", refuse)
    alice = MyTardis(url=server.url, username=ALICE.name, **{secret: told})
    with pytest.raises(CommandFailed, match=r"\.\.\. is not what was expected") as caught:
        alice.check()
    alice.close()
    assert told not in str(caught.value)


def test_a_server_below_a_path_of_its_address_is_found_again_there() -> None:
    server = MyTardisServer(below="/data/mytardis")
    server.register_graphs()
    alice = MyTardis(url=server.url, username=ALICE.name, api_key=ALICE.api_key)
    assert any("accepts the credentials" in line for line in alice.check())
    files = [file("a", b"1"), file("b/c", b"2")]
    described = experiment({"0_0_1": files}, [graph("experiment", "fit", keys=[["x", "y"]])])
    known: dict[str, str] = {}
    assert alice.publish(described, "", known) == Publication("1", f"{server.url}/experiment/view/1/", sent=2)
    for kept in (known, {}):
        assert alice.publish(experiment({"0_0_1": files}, [graph("experiment", "fit", keys=[["x", "y"]])]), "", kept).sent == 0
    assert alice.publish(experiment({"0_0_1": files}), "1", {}).identifier == "1"
    alice.close()
    server.stop()
    assert len(server.table("experiment")[0]["parameter_sets"]) == 1


def test_a_server_that_never_looks_at_files_is_asked_again_later(
    server: MyTardisServer, repository: MyTardis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mytardis_files, "VERIFICATION", 5.0)
    server.rows.verification = 1e9
    known: dict[str, str] = {}
    monkeypatch.setattr(signs, "SECONDS", 0.0)
    said: list[str] = []
    with pytest.raises(Unverified, match="has not looked at 1 files") as late:
        repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known, said.append)
    assert not late.value.transient, "the same wait again would be for nothing"
    assert said[:2] == [
        f"files sent to {server.url}: 1, the latest of 0_0_1",
        f"1 file is in {server.url}; waiting until it has verified it (Ctrl-C leaves that to 'chiminey curate')",
    ]
    assert set(said[2:]) == {f"{server.url} has yet to verify 1 of the files that it was sent first"}
    server.rows.verification = 0.0
    server.rows.due.clear()
    assert repository.publish(experiment({"0_0_1": [file("a", b"1")]}), "", known).sent == 0, "it was asked to look at it now"


def test_a_server_that_lost_its_queue_is_asked_to_look_at_files(
    server: MyTardisServer, repository: MyTardis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mytardis_files, "_REMINDER", 0.2)
    server.after = lambda request: server.rows.due.clear() if request.method == "POST" else None
    assert repository.publish(experiment({"0_0_1": [file("a", b"1"), file("b", b"1")]}), "", {}).sent == 2
    assert server.requests.count(("GET", "/api/v1/dataset_file/1/verify/")) == 1


def test_a_file_that_may_not_be_verified_again_is_as_the_server_says(server: MyTardisServer, repository: MyTardis) -> None:
    def refuse(request: Request) -> None:
        if request.path.endswith("/verify/"):
            raise Refused(403)

    server.before, server.api.garbled = refuse, {"a"}
    with pytest.raises(CommandFailed, match=r"a file did not arrive whole .*: 0_0_1/a;"):
        repository.publish(experiment({"0_0_1": [file("a", b"1"), file("b", b"1")]}), "", {})


def test_what_an_app_of_the_server_adds_to_a_graph_makes_it_no_other(server: MyTardisServer, repository: MyTardis) -> None:
    fit = graph("experiment", "fit", keys=[["x", "y"]])
    repository.publish(experiment({}, [fit]), "", {})
    (known,) = server.table("experiment")[0]["parameter_sets"]
    known["parameters"].append(known["parameters"][0] | {"name": "plot", "string_value": "iVBORw0KGgo="})
    repository.publish(experiment({}, [fit]), "", {})
    assert len(server.table("experiment")[0]["parameter_sets"]) == 1
    repository.publish(experiment({}, [graph("experiment", "fit", keys=[["x", "z"]])]), "", {})
    assert len(server.table("experiment")[0]["parameter_sets"]) == 2


@pytest.mark.parametrize("around", ["ApiKey {user}:{key}", "ApiKey {user}:{key}\n", "{user}:{key}"])
def test_a_key_may_be_given_as_the_server_hands_it_out(server: MyTardisServer, around: str) -> None:
    given = around.format(user=ALICE.name, key=ALICE.api_key)
    alice = MyTardis(url=server.url, username=ALICE.name, api_key=SecretStr(given))
    assert any("accepts the credentials" in line for line in alice.check())
    alice.close()


def test_who_may_not_add_experiments_is_told(server: MyTardisServer) -> None:
    carol = MyTardis(url=server.url, username=CAROL.name, api_key=CAROL.api_key)
    assert any("accepts the credentials of carol" in line for line in carol.check())
    with pytest.raises(AuthenticationRefused, match=r"does not let your user make experiments; .* permissions to add"):
        carol.publish(experiment({}), "", {})
    carol.close()
    dave = MyTardis(url=server.url, username=DAVE.name, api_key=DAVE.api_key)
    with pytest.raises(AuthenticationRefused, match=r"does not let your user make datafiles; .* permissions to add"):
        dave.publish(experiment({"0_0_1": [file("a", b"1")]}), "", {})
    dave.close()


def test_a_password_serves_as_well_as_a_key(server: MyTardisServer) -> None:
    alice = MyTardis(url=server.url, username=ALICE.name, password=ALICE.password)
    assert alice.publish(experiment({}), "", {}) == Publication("1", f"{server.url}/experiment/view/1/")
    alice.close()


def test_check_tells_which_schemas_of_graphs_are_missing(repository: MyTardis) -> None:
    bare = MyTardisServer()
    missing = MyTardis(url=bare.url, username=ALICE.name, api_key=ALICE.api_key)
    told = missing.check()
    missing.close()
    bare.stop()
    assert [name for name in ("expgraph", "dsetgraph", "dfilegraph") if any(name in line for line in told)] == [
        "expgraph",
        "dsetgraph",
        "dfilegraph",
    ]
    assert not any("graph" in line for line in repository.check())


def test_what_is_no_mytardis_is_told(server: MyTardisServer) -> None:
    elsewhere = MyTardis(url=f"{server.url}/elsewhere", username=ALICE.name, api_key=ALICE.api_key)
    with pytest.raises(NotFound, match="is no MyTardis"):
        elsewhere.check()
    elsewhere.close()


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[MyTardisServer, Path]]:
    """A server whose certificate nobody knows, and the file of that."""
    certificate, key = self_signed(tmp_path)
    server = MyTardisServer(tls=(str(certificate), str(key)))
    server.register_graphs()
    yield server, certificate
    server.stop()


def test_a_certificate_has_to_be_known(encrypted: tuple[MyTardisServer, Path]) -> None:
    server, certificate = encrypted
    stranger = MyTardis(url=server.url, username=ALICE.name, api_key=ALICE.api_key)
    with pytest.raises(CommandFailed, match=r"certificate .* can't be verified .*; .* authority_file"):
        stranger.check()
    known = MyTardis(url=server.url, username=ALICE.name, api_key=ALICE.api_key, authority_file=str(certificate))
    assert known.publish(experiment({"0_0_1": [file("a", b"1")]}), "", {}).sent == 1
    without = MyTardis(url=server.url, username=ALICE.name, api_key=ALICE.api_key, authority_file="/nowhere.pem")
    with pytest.raises(InvalidRequest, match=r"authority_file: /nowhere\.pem has no certificate"):
        without.check()
    stranger.close()
    known.close()
