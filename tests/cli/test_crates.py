"""Results in the hands of a stranger: checked where they were copied to, opened by other programs, and computed once more."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from rocrate.rocrate import ROCrate

from blocks.storage import ObjectStorage
from flows.crate import METADATA
from tests.cli.conftest import CommandLine
from tests.cli.test_documentation import Person
from tests.roc_validator.validator import installed, report, violations
from tests.servers.farm import Farm
from tests.servers.s3 import S3

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

__all__ = ["installed"]

QUICK = ("--set", "error_threshold=0.5")  # of hrmc, which then takes few iterations


@pytest.fixture
def server(chiminey: CommandLine, farm: Farm) -> Iterator[str]:
    """A compute resource that is another machine."""
    (host,) = farm(1)
    place, key = f"host={host.user}@{host.address}:{host.port}", f"key={host.private_key}"
    added = chiminey("resource", "add", "unix", "elsewhere", place, key, "use_agent=false", "--accept-host-key")
    assert added.code == 0, added.errors
    yield "elsewhere"
    chiminey("resource", "remove", "elsewhere")


@pytest.fixture
def seeded(chiminey: CommandLine) -> Iterator[Path]:
    """A connector without Python, whose results follow from its input."""
    folder = Path(chiminey.environment["CHIMINEY_PATH"]) / "seeded"
    process = folder / "payload" / "process_payload"
    process.mkdir(parents=True)
    (folder / "connector.toml").write_text(
        'name = "seeded"\narguments = ["seed"]\n[inputs.seed]\ntype = "integer"\ndefault = 1\n'
    )
    (process / "main.sh").write_text('echo "$3" | cksum >"$2/number"\n')
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def forge(crate: Path, path: str, text: str) -> None:
    """Change a file as somebody does who knows that the crate has its checksum."""
    (crate / path).write_text(text)
    metadata = crate / METADATA
    document = json.loads(metadata.read_text())
    (entity,) = (each for each in document["@graph"] if each["@id"] == path)
    entity |= {"contentSize": str(len(text.encode())), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    metadata.write_text(json.dumps(document))


def test_a_sweep_is_a_valid_crate_of_valid_crates_that_other_programs_open(
    chiminey: CommandLine, tmp_path: Path, installed: None
) -> None:
    swept = chiminey("sweep", "hrmc", "--sweep", '{"iseed": [1, 2]}', *QUICK, "--output", str(tmp_path), "--json")
    assert swept.code == 0, swept.errors
    whole = Path(swept.object["output"])
    runs = sorted(path for path in whole.iterdir() if path.name.startswith("hrmc-"))

    assert len(runs) == 2
    assert [violations(folder) for folder in (whole, *runs)] == [[], [], []]
    for folder in (whole, *runs):
        crate = ROCrate(folder)
        assert crate.mainEntity["name"] == "hrmc"
        assert "#run" in report(folder)
    points = [ROCrate(whole).dereference(f"#point-{number}") for number in (1, 2)]
    assert [Path(point["result"].id).name for point in points] == [run.name for run in runs]
    checked = chiminey("verify", str(whole), "--json")
    assert (checked.code, checked.object["ok"]) == (0, True)
    assert checked.object["checked"] > 100


def test_a_run_that_is_repeated_on_another_machine_gives_the_same(chiminey: CommandLine, server: str, tmp_path: Path) -> None:
    first = chiminey("run", "hrmc", *QUICK, "--output", str(tmp_path / "first"), "--json")
    assert first.code == 0, first.errors

    again = chiminey("rerun", first.object["name"], "--compute", server, "--output", str(tmp_path / "again"), "--json")

    assert again.code == 0, again.errors
    assert "the installed connector hrmc is the same as the crate's" in again.errors
    told = again.object
    assert (told["same"], told["different"], told["missing"], told["additional"]) == (True, 0, 0, 0)
    assert told["equal"] > 10
    assert told["iterations"] == first.object["iterations"]
    assert told["output"].startswith(str(tmp_path / "again"))


def test_a_run_in_a_bucket_is_checked_and_repeated_by_its_place(
    chiminey: CommandLine, seeded: Path, s3: S3, tmp_path: Path
) -> None:
    s3.make_bucket("crates")
    place = ("bucket=crates", f"endpoint={s3.endpoint}", f"access_key={s3.access_key}")
    added = chiminey("resource", "add", "object", "shelf", *place, input=f"{s3.secret_key}\n")
    assert added.code == 0, added.errors
    first = chiminey("run", "seeded", "--set", "seed=7", "--output", "shelf/results", "--json")
    assert first.code == 0, first.errors
    crate = f"shelf/results/{first.object['name']}"

    checked = chiminey("verify", crate, "--json")
    assert (checked.code, checked.object["ok"]) == (0, True), checked.errors
    again = chiminey("rerun", crate, "--output", str(tmp_path), "--json")
    assert again.code == 0, again.errors
    assert (again.object["same"], again.object["equal"]) == (True, 1)

    storage = ObjectStorage(endpoint=s3.endpoint, bucket="crates", access_key=s3.access_key, secret_key=SecretStr(s3.secret_key))
    storage.write(f"results/{first.object['name']}/output_0/1/number", b"0\n")
    storage.close()
    changed = chiminey("verify", crate, "--json")
    assert (changed.code, changed.object["changed"]) == (1, ["output_0/1/number"])
    nowhere = chiminey("verify", "shelf/results/nothing")
    assert (nowhere.code, "nothing" in nowhere.errors) == (2, True)
    assert chiminey("resource", "remove", "shelf").code == 0


def test_a_sweep_that_is_repeated_is_compared_point_by_point(chiminey: CommandLine, seeded: Path, tmp_path: Path) -> None:
    swept = chiminey("sweep", "seeded", "--sweep", '{"seed": [3, 4, 5]}', "--output", str(tmp_path / "first"), "--json")
    assert swept.code == 0, swept.errors

    again = chiminey("rerun", swept.object["output"], "--output", str(tmp_path / "again"), "--json")

    assert again.code == 0, again.errors
    assert (again.object["same"], again.object["equal"]) == (True, 3)


def test_a_sweep_of_which_not_all_runs_can_be_read_is_compared_as_far_as_they_can(
    chiminey: CommandLine, seeded: Path, tmp_path: Path
) -> None:
    start = tmp_path / "start" / "here"
    start.mkdir(parents=True)
    (start / "guess").write_text("1\n")
    asked = ("--sweep", '{"seed": [3, 4, 5]}', "--input", str(tmp_path / "start"), "--output", str(tmp_path / "first"), "--json")
    swept = chiminey("sweep", "seeded", *asked)
    assert swept.code == 0, swept.errors
    whole = Path(swept.object["output"])
    runs = sorted(path for path in whole.iterdir() if path.name.startswith("seeded-"))

    (runs[0] / METADATA).write_text("{")
    part = chiminey("rerun", str(whole), "--output", str(tmp_path / "again"), "--json")
    (runs[1] / "input_0" / "here" / "guess").write_text("2\n")
    other = chiminey("rerun", str(whole), "--output", str(tmp_path / "again"), "--json")
    (runs[2] / "input_0" / "here" / "guess").write_text("2\n")
    changed = chiminey("rerun", str(whole), "--output", str(tmp_path / "not"))
    for run in runs:
        (run / METADATA).unlink(missing_ok=True)
    none = chiminey("rerun", str(whole), "--output", str(tmp_path / "not"))

    for told in (part, other):
        assert told.code == 0, told.errors
        assert (told.object["same"], told.object["equal"], told.object["unreadable"]) == (False, 2, 1)
        assert f"the outputs are the same as those of {whole}, as far as these can be read: 2 files equal" in told.errors
        assert "1 run of the crate can't be read" in told.errors
    assert (changed.code, none.code) == (2, 2)
    assert "is not as it was: input_0/here/guess" in changed.errors
    assert f"no run of {whole} has the start points" in none.errors
    assert not (tmp_path / "not").exists(), "nothing was computed"


def test_a_sweep_without_start_points_is_repeated_though_no_run_can_be_read(
    chiminey: CommandLine, seeded: Path, tmp_path: Path
) -> None:
    swept = chiminey("sweep", "seeded", "--sweep", '{"seed": [3, 4]}', "--output", str(tmp_path / "first"), "--json")
    whole = Path(swept.object["output"])
    for metadata in whole.glob(f"seeded-*/{METADATA}"):
        metadata.unlink()

    again = chiminey("rerun", str(whole), "--output", str(tmp_path / "again"), "--json")

    assert again.code == 0, again.errors
    assert f"the outputs could not be compared with those of {whole}" in again.errors
    assert "2 runs of the crate can't be read" in again.errors
    assert (again.object["same"], again.object["additional"]) == (False, 0)


def test_other_inputs_give_other_outputs_which_is_told(chiminey: CommandLine, seeded: Path, tmp_path: Path) -> None:
    first = chiminey("run", "seeded", "--output", str(tmp_path), "--json").object

    again = chiminey("rerun", first["output"], "--set", "seed=2", "--output", str(tmp_path), "--json")

    assert again.code == 0, again.errors
    assert (again.object["same"], again.object["equal"], again.object["different"]) == (False, 0, 1)
    assert f"the outputs are not those of {first['output']}: 0 files equal, 1 different" in again.errors


def test_a_copy_is_checked_without_ledger_or_server(chiminey: CommandLine, seeded: Path, tmp_path: Path) -> None:
    first = chiminey("run", "seeded", "--output", str(tmp_path / "first"), "--json").object
    copy = tmp_path / "copy"
    shutil.copytree(first["output"], copy)
    stranger = replace(chiminey, environment={**chiminey.environment, "CHIMINEY_HOME": str(tmp_path / "home")})

    assert "files are as the crate says" in stranger("verify", str(copy)).output
    (copy / "output_0" / "1" / "number").write_text("7\n")
    (copy / "tasks.json").unlink()
    (copy / "notes").write_text("mine")
    told = stranger("verify", str(copy))

    assert told.code == 1
    assert told.output.splitlines()[:3] == ["missing: tasks.json", "changed: output_0/1/number", "extra, not of the run: notes"]
    assert not (tmp_path / "home").exists(), "nothing was started or written"


def test_what_is_no_crate_is_said_in_a_sentence(chiminey: CommandLine, tmp_path: Path) -> None:
    for given, sentence in (
        (str(tmp_path), "is no crate, for it has no ro-crate-metadata.json"),
        ("nowhere", "'nowhere' is neither a folder of this machine nor a run"),
        ("nowhere/at/all", "there is no resource 'nowhere'"),
    ):
        for command in ("verify", "rerun"):
            refused = chiminey(command, given)
            assert refused.code == 2
            assert sentence in refused.errors


def test_inputs_that_are_not_what_they_were_are_not_computed_with(chiminey: CommandLine, tmp_path: Path) -> None:
    first = chiminey("run", "hrmc", *QUICK, "--output", str(tmp_path), "--json").object
    with (Path(first["output"]) / "input_0" / "values").open("a") as file:
        file.write(" ")

    refused = chiminey("rerun", first["output"])

    assert refused.code == 2
    assert "is not as it was: input_0/values" in refused.errors


def test_a_connector_that_is_not_here_or_another_is_taken_from_the_crate(
    chiminey: CommandLine, seeded: Path, tmp_path: Path
) -> None:
    first = chiminey("run", "seeded", "--output", str(tmp_path), "--json").object
    main = seeded / "payload" / "process_payload" / "main.sh"
    main.write_text('echo other >"$2/number"\n')

    differs = chiminey("rerun", first["output"], "--output", str(tmp_path), "--json")
    shutil.rmtree(seeded)
    gone = chiminey("rerun", first["output"], "--output", str(tmp_path), "--json")

    assert "differs from the crate's in payload/process_payload/main.sh, so the crate's own copy is used" in differs.errors
    assert "there is no connector seeded here, so the crate's own copy is used" in gone.errors
    assert (differs.object["same"], gone.object["same"]) == (True, True)


def test_programs_of_a_stranger_are_run_here_only_when_they_are_trusted(
    chiminey: CommandLine, server: str, seeded: Path, tmp_path: Path
) -> None:
    crate = Path(chiminey("run", "seeded", "--output", str(tmp_path / "first"), "--json").object["output"])
    main, mark = "connector/payload/process_payload/main.sh", tmp_path / "mark"
    forge(crate, main, f'touch {mark} 2>/dev/null; echo "$3" | cksum >"$2/number"\n')

    refused = chiminey("rerun", str(crate), "--output", str(tmp_path / "again"))
    assert refused.code == 2
    assert "could do anything on this machine; look at payload/process_payload/main.sh in" in refused.errors
    assert not mark.exists()

    there = chiminey("rerun", str(crate), "--compute", server, "--output", str(tmp_path / "again"), "--json")
    assert (there.code, there.object["same"]) == (0, True), there.errors
    trusted = chiminey("rerun", str(crate), "--trust", "--output", str(tmp_path / "again"), "--json")
    assert (trusted.code, trusted.object["same"]) == (0, True), trusted.errors
    assert mark.exists()


def test_a_rerun_with_a_copy_that_has_no_example_goes_on(chiminey: CommandLine, seeded: Path, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    (seeded / "example" / "here").mkdir(parents=True)
    (seeded / "example" / "here" / "guess").write_text("1\n")
    declared = seeded / "connector.toml"
    declared.write_text(f'example_input = "example"\n{declared.read_text()}')
    main = seeded / "payload" / "process_payload" / "main.sh"
    main.write_text(f'test -e {tmp_path}/open && echo "$3" | cksum >"$2/number"\n')
    first = chiminey("run", "seeded", "--output", str(tmp_path / "first"), "--json").object
    shutil.rmtree(seeded)
    (tmp_path / "open").unlink()
    failed = chiminey("rerun", first["output"], "--output", str(tmp_path / "again"), "--json")
    assert failed.object["state"] == "failed", failed.errors
    (tmp_path / "open").touch()

    retried = chiminey("retry", failed.object["name"], "--json")

    assert retried.code == 0, retried.errors
    assert retried.object["state"] == "completed"


def test_a_run_goes_on_with_the_connector_it_began_with(chiminey: CommandLine, seeded: Path, tmp_path: Path) -> None:
    """Be it a copy out of a crate, or in a folder that CHIMINEY_PATH no longer names."""
    (tmp_path / "open").touch()
    main = seeded / "payload" / "process_payload" / "main.sh"
    main.write_text(f'test -e {tmp_path}/open && echo "$3" | cksum >"$2/number"\n')
    first = chiminey("run", "seeded", "--output", str(tmp_path), "--json").object
    (tmp_path / "open").unlink()
    elsewhere = seeded.rename(tmp_path / "seeded")
    there = replace(chiminey, environment={**chiminey.environment, "CHIMINEY_PATH": str(elsewhere)})
    own = there("run", "seeded", "--output", str(tmp_path), "--json").object
    copy = chiminey("rerun", first["output"], "--output", str(tmp_path), "--json").object
    assert [each["state"] for each in (own, copy)] == ["failed", "failed"]
    (tmp_path / "open").touch()

    for run in (own, copy):
        again = chiminey("retry", run["name"], "--json")
        assert again.object["state"] == "completed", again.errors


def test_python_code_of_a_stranger_is_run_only_when_it_is_trusted(chiminey: CommandLine, tmp_path: Path) -> None:
    folder = Path(chiminey.environment["CHIMINEY_PATH"]) / "visitor"
    process = folder / "payload" / "process_payload"
    process.mkdir(parents=True)
    mark = tmp_path / "mark"
    code = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nfrom flows import SmartConnector\n"
    (folder / "connector.py").write_text(f"{code}class Visitor(SmartConnector):\n    name = 'visitor'\n")
    (process / "main.sh").write_text('echo 1 >"$2/one"\n')
    first = chiminey("run", "visitor", "--output", str(tmp_path), "--json").object
    forge(Path(first["output"]), "connector/connector.py", f"{(folder / 'connector.py').read_text()}\n# by a stranger\n")
    shutil.rmtree(folder)
    mark.unlink()

    refused = chiminey("rerun", first["output"], "--output", str(tmp_path))
    assert refused.code == 2
    assert "is Python code, which could do anything on this machine" in refused.errors
    assert not mark.exists(), "it was not even loaded"

    trusted = chiminey("rerun", first["output"], "--trust", "--output", str(tmp_path), "--json")
    assert trusted.code == 0, trusted.errors
    assert trusted.object["same"] is True
    assert mark.exists()


@pytest.mark.parametrize(
    ("path", "old", "new", "sentence"),
    [
        ("connector/connector.toml", "name =", 'payload = "{outside}"\nname =', "it names what is not in its folder, payload ="),
        (
            "connector/connector.toml",
            "name =",
            'example_input = "../.."\nname =',
            "it names what is not in its folder, example_input",
        ),
        ("run.json", '"seeded"', '"{outside}"', "so the crate's own copy is used"),
    ],
)
def test_a_crate_that_names_other_places_of_this_machine_does_not_get_there(
    chiminey: CommandLine, seeded: Path, tmp_path: Path, path: str, old: str, new: str, sentence: str
) -> None:
    outside = tmp_path / "outside"
    mark = tmp_path / "mark"
    outside.mkdir()
    (outside / "connector.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    crate = Path(chiminey("run", "seeded", "--output", str(tmp_path / "first"), "--json").object["output"])
    forge(crate, path, (crate / path).read_text().replace(old, new.format(outside=outside)))
    shutil.rmtree(seeded)

    told = chiminey("rerun", str(crate), "--trust", "--output", str(tmp_path / "again"))

    assert sentence in told.errors
    assert not mark.exists()
    assert not [*tmp_path.glob("again/**/payload/connector.py")]


def test_a_link_in_a_crate_does_not_lead_out_of_its_connector(chiminey: CommandLine, seeded: Path, tmp_path: Path) -> None:
    crate = Path(chiminey("run", "seeded", "--output", str(tmp_path), "--json").object["output"])
    (crate / "connector" / "payload" / "process_payload" / "keys").symlink_to(tmp_path)
    shutil.rmtree(seeded)

    refused = chiminey("rerun", str(crate), "--output", str(tmp_path))

    assert refused.code == 2
    assert "links in it lead out of it, payload/process_payload/keys" in refused.errors


def test_a_rerun_can_be_left_behind(chiminey: CommandLine, seeded: Path, tmp_path: Path) -> None:
    first = chiminey("run", "seeded", "--output", str(tmp_path), "--json").object

    left = chiminey("rerun", first["output"], "--output", str(tmp_path), "--detach", "--json")

    assert left.code == 0, left.errors
    assert left.object["name"].startswith("seeded-")
    followed = chiminey("logs", left.object["name"], "--follow")
    assert followed.code == 0, followed.errors


def test_no_secret_is_in_a_crate(chiminey: CommandLine, farm: Farm, tmp_path: Path) -> None:
    (host,) = farm(1, password="Open-Sesame-9")
    place = f"host={host.user}@{host.address}:{host.port}"
    words = ("resource", "add", "unix", "guarded", place, "--keep-password", "--accept-host-key", "use_agent=false")
    added = chiminey(*words, input="Open-Sesame-9\n")
    assert added.code == 0, added.errors

    ran = chiminey("run", "randnum", "--compute", "guarded", "--output", str(tmp_path), "--json")

    assert ran.code == 0, ran.errors
    assert not any("Open-Sesame-9" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    chiminey("resource", "remove", "guarded")


def test_the_page_about_provenance_works_as_it_is_written(chiminey: CommandLine, tmp_path: Path) -> None:
    Person(chiminey, tmp_path).follow("docs/provenance.md")
