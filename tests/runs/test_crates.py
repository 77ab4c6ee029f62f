"""What a run leaves to a stranger: a crate that says all of it, and whose files are what it says, however the run ended."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from blocks.compute import LocalCompute
from blocks.errors import CommandFailed, InvalidRequest, RunFailed
from blocks.storage import LocalStorage
from flows import Convergence, SmartConnector, ending, engine, reaper
from flows.crate import METADATA, run_crate
from flows.crate.reading import opened
from flows.crate.verification import verify
from flows.ledger import RunRecord
from flows.request import Reliability, SweepRequest
from flows.result import RunResult
from flows.retry import forgive
from flows.state import RunState
from flows.sweep.points import run_request
from flows.sweep_map import SweepMap
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.roc_validator.validator import installed, violations
from tests.runs.test_iterations import halving, start_point
from tests.runs.test_kill_controller import owned_by, start
from tests.servers.sshd import SSHD
from tests.ssh.test_sftp_storage import storage_on

LOCAL = LocalCompute(slots=2)
DEEP = 'mkdir -p "$2/a folder"; echo "$CHIMINEY_TASK_ID" >"$2/a folder/50% #1.txt"; ln -s nowhere "$2/link"; echo said\n'
COMPLETED, FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"

__all__ = ["installed"]


def graph(folder: Path) -> dict[str, dict[str, Any]]:
    """The entities of a crate by their identifiers."""
    return {entity["@id"]: entity for entity in json.loads((folder / METADATA).read_text())["@graph"]}


def many(given: Any) -> list[str]:
    """The identifiers that a property refers to."""
    return [each["@id"] for each in (given if isinstance(given, list) else [given] if given else [])]


def values(entities: Mapping[str, Mapping[str, Any]], action: str) -> dict[str, Any]:
    """What an action was given."""
    given = [entities[name] for name in many(entities[action].get("object")) if name.startswith("#value")]
    return {entity["name"]: entity["value"] for entity in given}


def assert_whole(folder: Path) -> None:
    """Every file is listed, with what it really is, and nothing is listed that is not there."""
    found = verify(opened(LocalStorage(path=str(folder)), ""))
    assert (found.missing, found.changed, found.extra) == ([], [], [])
    listed = {name for name, entity in graph(folder).items() if "File" in entity["@type"]}
    there = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(listed) == len([path for path in there if path.relative_to(folder).parts[0] not in ("output", METADATA)])


def test_a_crate_says_who_ran_what_where_with_which_values_and_what_came_of_it(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path / "connector", DEEP, {"method": ["plain"]}), LOCAL, sweep={"n": [5, 7]})

    folder = lab.folder(result)
    entities = graph(folder)
    assert violations(folder) == []
    assert_whole(folder)
    second = entities["#task-2"]
    assert values(entities, "#task-2") == {"n": 7, "run_counter": 2, "generator_counter": 0}
    assert many(second["result"]) == ["output_0/2/", "output_0/2.stdout"]
    assert second["actionStatus"] == COMPLETED
    assert second["startTime"] <= second["endTime"]
    assert entities[second["location"]["@id"]]["name"] == "this machine"
    assert entities[second["additionalProperty"]["@id"]]["value"] == 0
    assert entities[second["instrument"]["@id"]]["name"] == "the program of sample"
    assert entities[second["agent"]["@id"]]["@type"] == "Person"
    assert entities["#chiminey"]["softwareVersion"]
    assert many(entities["#chiminey"]["softwareRequirements"]) == ["#python", "#prefect"]
    output = entities["output_0/2/a%20folder/50%25%20%231.txt"]
    assert output["contentSize"] == "2"
    assert output["sha256"] == hashlib.sha256(b"2\n").hexdigest()
    assert output["encodingFormat"] == "text/plain"
    assert many(entities["./"]["mentions"]) == ["#run", "#task-1", "#task-2"]
    main = folder / "connector" / "payload" / "process_payload" / "main.sh"
    assert main.read_text() == DEEP


def test_the_validator_sees_when_something_is_wrong(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)
    folder = lab.folder(lab.go(connector(tmp_path / "connector", DEEP), LOCAL))
    text = (folder / METADATA).read_text()

    (folder / METADATA).write_text(text.replace('"instrument":{"@id":"#step"},', ""))

    assert any("ControlAction must reference a HowToStep" in violation for violation in violations(folder))


def test_a_failed_task_says_why_and_what_every_attempt_left(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)
    main = DEEP + '[ "$CHIMINEY_TASK_ID" = 1 ] || { echo "the disk is purple" >&2; exit 3; }\n'

    result = lab.go(connector(tmp_path / "connector", main), LOCAL, sweep={"n": [1, 2]}, reliability=Reliability(maximum_retry=1))

    folder = lab.folder(result)
    entities = graph(folder)
    failed = entities["#task-2"]
    assert violations(folder) == []
    assert_whole(folder)
    assert failed["actionStatus"] == FAILED
    assert failed["error"] == "task 2 failed with exit code 3: the disk is purple"
    assert entities[failed["additionalProperty"]["@id"]]["value"] == 3
    assert many(failed["result"]) == ["failed_0/2.2/", "failed_0/2.2.stdout", "failed_0/2.2.stderr"]
    assert "failed_0/2.1/" in many(entities["failed_0/"]["hasPart"]), "what the first attempt left is there too"


def test_a_run_without_any_success_has_a_crate_too(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "connector", "exit 1"), LOCAL, reliability=Reliability(maximum_retry=0))
    record = lab.add(proposal)

    with pytest.raises(RunFailed):
        lab.drive(record, proposal)

    folder = lab.results / record.name
    assert violations(folder) == []
    assert_whole(folder)
    assert graph(folder)["#run"]["actionStatus"] == FAILED


def test_a_run_that_never_came_to_a_task_claims_no_provenance_of_tasks(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "connector", "true", bootstrap="exit 5\n"), LOCAL)
    record = lab.add(proposal)

    with pytest.raises(RunFailed):
        lab.drive(record, proposal)

    folder = lab.results / record.name
    assert violations(folder, "workflow-run-crate-0.5") == []
    assert_whole(folder)
    assert not any("provenance" in profile for profile in many(graph(folder)["./"]["conformsTo"]))
    assert "bootstrap.sh failed" in graph(folder)["#run"]["error"]


def test_iterations_are_told_apart_with_the_input_that_each_had(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)

    result = lab.go(halving(tmp_path / "connector"), LOCAL, input=start_point(tmp_path / "input"), max_iterations=3)

    folder = lab.folder(result)
    entities = graph(folder)
    assert violations(folder) == []
    assert_whole(folder)
    assert result.iterations == 3
    for iteration in range(3):
        control = entities[f"#iteration-{iteration + 1}"]
        tasks = many(control["object"])
        assert {f"task {task.id}" for task in lab.tasks(result) if task.iteration == iteration} == {
            entities[task]["name"] for task in tasks
        }
        for task in tasks:
            kept = json.loads((folder / f"output_{iteration}" / task.removeprefix("#task-") / "values").read_text())
            assert values(entities, task) == kept
            assert any(name.startswith(f"input_{iteration}/") for name in many(entities[task]["object"]))
    assert entities["output/"]["sameAs"] == {"@id": "output_2/"}


def test_after_a_kill_nothing_of_what_came_home_before_is_missing(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    main = DEEP + '[ "$CHIMINEY_TASK_ID" -le 3 ] || sleep 4\n'
    proposal = lab.request(connector(tmp_path / "connector", main), LOCAL, sweep={"n": list(range(6))})
    record = lab.add(proposal)
    controller = start(tmp_path, record)
    while lab.ledger.task_counts(record.id).get("completed", 0) < 3 or not owned_by(lab, record, controller):
        assert controller.poll() is None, (tmp_path / "errors").read_text()[-2000:]
        time.sleep(0.05)
    kept = lab.ledger.files(record.id)

    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()
    last = start(tmp_path, record)

    assert last.wait(timeout=240) == 0, (tmp_path / "errors").read_text()[-2000:]
    folder = lab.results / record.name
    assert_whole(folder)
    assert len(kept) >= 4, "those of the connector and of three tasks"
    assert all(lab.ledger.files(record.id)[place] == listing for place, listing in kept.items())
    assert {name for name in graph(folder) if name.startswith("#task")} == {f"#task-{number}" for number in range(1, 7)}


def strictly(text: str) -> Any:
    """What JSON says, by the letter of its standard."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_json_has_not_are_null_in_all_that_is_kept(tmp_path: Path) -> None:
    given = tmp_path / "given"
    (given / "here").mkdir(parents=True)
    (given / "values").write_text('{"guess": NaN, "bounds": [0, Infinity]}')
    lab = Lab(tmp_path)
    main = """printf '{"energy": NaN, "most": 1e999, "count": 1}' >"$2/result.json"\n"""

    result = lab.go(connector(tmp_path / "connector", main), LOCAL, input=LocalStorage(path=str(given)))

    folder = lab.folder(result)
    (task,) = strictly((folder / "tasks.json").read_text())
    assert task["results"] == {"energy": None, "most": None, "count": 1}
    assert strictly((folder / "run.json").read_text())["state"] == "completed"
    assert strictly((folder / "output_0" / "1" / "values").read_text())["bounds"] == [0, None]
    strictly((folder / METADATA).read_text())
    assert strictly(values(graph(folder), "#task-1")["bounds"]) == [0, None]


def test_a_name_that_is_half_of_a_character_is_told_in_a_crate_like_any_other(tmp_path: Path) -> None:
    given = tmp_path / "given"
    (given / "here").mkdir(parents=True)
    (given / "values").write_text('{"\\ud800": "\\udfff"}')
    lab = Lab(tmp_path)

    folder = lab.folder(lab.go(connector(tmp_path / "connector", DEEP), LOCAL, input=LocalStorage(path=str(given))))

    assert values(graph(folder), "#task-1")["\ud800"] == "\udfff"
    assert verify(opened(LocalStorage(path=str(folder)), "")).ok


def test_a_run_that_ends_because_its_sweep_can_not_be_made_again_tells_of_its_tasks(tmp_path: Path) -> None:
    def sweep(_self: object, _inputs: object, iteration: int) -> dict[str, Any]:
        if iteration:
            raise KeyError("energy")
        return {"n": [1, 2]}

    lab = Lab(tmp_path)
    endless = {"converged": lambda *_: Convergence(done=False), "max_iterations": 3}
    with pytest.raises(RunFailed, match=r"the hook internal_sweep of sample failed: .* KeyError: 'energy'"):
        lab.go(connector(tmp_path / "connector", DEEP, internal_sweep=sweep, **endless), LOCAL)

    folder = lab.results / lab.run.name
    told = json.loads((folder / "tasks.json").read_text())
    assert [(task["status"], task["values"]["n"]) for task in told] == [("completed", 1), ("completed", 2)]
    assert json.loads((folder / "run.json").read_text())["state"] == "failed"
    assert_whole(folder)


def killed(lab: Lab, folder: Path) -> RunRecord:
    """A run whose controller was killed when half of its tasks were done."""
    main = DEEP + '[ "$CHIMINEY_TASK_ID" -le 2 ] || sleep 600\n'
    record = lab.add(lab.request(connector(folder / "connector", main), LOCAL, sweep={"n": list(range(4))}))
    controller = start(folder, record)
    while lab.ledger.task_counts(record.id).get("completed", 0) < 2:
        assert controller.poll() is None, (folder / "errors").read_text()[-2000:]
        time.sleep(0.05)
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()
    dead = lab.ledger.run(record.id)
    assert dead is not None
    return dead


def test_a_run_that_was_reaped_has_its_records_and_its_crate(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)
    record = killed(lab, tmp_path)

    assert reaper.reap(lab.ledger, lab.find) == [f"{record.name}: cleaned up"]

    folder = lab.results / record.name
    told = json.loads((folder / "run.json").read_text())
    assert (told["state"], told["tasks"]["completed"]) == ("failed", 2)
    assert "its controller is gone" in told["messages"][0]
    assert [task["status"] for task in json.loads((folder / "tasks.json").read_text())][:2] == ["completed", "completed"]
    assert graph(folder)["#run"]["actionStatus"] == FAILED
    assert violations(folder) == []
    assert_whole(folder)


def test_a_sweep_that_was_reaped_has_its_records_and_its_crate(tmp_path: Path, installed: None) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "connector", DEEP)
    proposal = lab.request(sample, LOCAL)
    request = SweepRequest(run=proposal.request, sweep=SweepMap({"n": [1, 2]}), points=2, at_once=1)
    sweep = RunRecord("abc", "sweep-sample-abc", "sample", request.model_dump_json(), kind="sweep")
    first = run_request(sample, request, sweep.name, {"n": 1})
    child = RunRecord("abc-1", "sample-abc-1", "sample", first.model_dump_json(), parent="abc", number=1)
    for record in (sweep, child):
        lab.ledger.add(record)
    lab.drive(child, replace(proposal, request=first))

    assert reaper.end(lab.ledger, sweep, lab.find, "failed", "its controller is gone") == "its runs are ended"

    folder = lab.results / sweep.name
    assert json.loads((folder / "run.json").read_text())["state"] == "failed"
    assert violations(folder) == []
    assert verify(opened(LocalStorage(path=str(folder)), "")).ok


def test_what_cannot_be_written_of_a_dead_run_is_told_and_does_not_stop_the_reaper(tmp_path: Path) -> None:
    def gone(name: str, folder: str) -> SmartConnector:
        raise InvalidRequest(f"there is no connector {name!r}")

    lab = Lab(tmp_path)
    record = killed(lab, tmp_path)

    (told,) = reaper.reap(lab.ledger, gone)

    assert "what is kept beside the results could not be written: there is no connector 'sample'" in told
    ended = lab.ledger.run(record.id)
    assert ended is not None
    assert (ended.status, {host.status for host in lab.ledger.hosts(record.id)}) == ("failed", {"released"})


LATER = 1_814_400.0  # seconds


def three_weeks_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chiminey is another version, somebody else is at the keyboard."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + LATER)
    monkeypatch.setattr("flows.circumstances.version", lambda _package: "99.0")
    monkeypatch.setenv("CHIMINEY_AUTHOR", "Colleague, A")
    monkeypatch.setenv("CHIMINEY_LICENSE", "CC0-1.0")


def test_a_crate_that_is_written_again_later_says_what_was_so_when_the_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "connector", DEEP), LOCAL)
    result = lab.drive(lab.add(proposal), proposal)
    before = (lab.folder(result) / METADATA).read_bytes()
    three_weeks_later(monkeypatch)

    record = lab.ledger.run(result.run_id)
    assert record is not None
    with engine.controlled(lab.ledger, record, proposal, lab.view) as run:  # as it is when it is curated
        state = RunState.model_validate_json(record.state)
        ending.keep_records(run, state, ending.outcome(run, state))

    assert (lab.folder(result) / METADATA).read_bytes() == before


def test_a_crate_that_is_only_written_later_says_what_was_so_when_the_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        raise CommandFailed("the disk is full")

    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "connector", DEEP), LOCAL)
    record = lab.add(proposal)
    with monkeypatch.context() as trouble:
        trouble.setattr(run_crate, "write", fail)
        lab.drive(record, proposal)
    ended = time.time()
    three_weeks_later(monkeypatch)

    result = lab.drive(record, proposal)

    entities = graph(lab.folder(result))
    assert datetime.fromisoformat(entities["#run"]["endTime"]).timestamp() <= ended
    assert datetime.fromisoformat(entities["./"]["datePublished"]).timestamp() <= ended
    assert entities["#author"]["name"] != "Colleague, A"
    assert entities["#chiminey"]["softwareVersion"] != "99.0"


def test_a_run_that_goes_on_later_ends_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    open_ = tmp_path / "open"
    proposal = lab.request(
        connector(tmp_path / "connector", f"test -e {open_}\n"), LOCAL, reliability=Reliability(maximum_retry=0)
    )
    record = lab.add(proposal)
    with pytest.raises(RunFailed):
        lab.drive(record, proposal)
    open_.touch()
    three_weeks_later(monkeypatch)
    failed = lab.ledger.run(record.id)
    assert failed is not None
    forgive(lab.ledger, failed)

    entities = graph(lab.folder(lab.drive(record, proposal)))

    assert datetime.fromisoformat(entities["#run"]["endTime"]).timestamp() >= int(failed.created + LATER)  # in whole seconds
    assert entities["#author"]["name"] == "Colleague, A"


def test_outputs_that_are_taken_from_earlier_runs_have_their_checksums(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.go(connector(tmp_path / "connector", DEEP), LOCAL, sweep={"n": [1, 2]}, cache=True)

    second = lab.go(connector(tmp_path / "connector", DEEP), LOCAL, sweep={"n": [1, 2]}, cache=True)

    assert [task.attempt for task in lab.tasks(second)] == [0, 0]
    assert_whole(lab.folder(second))
    assert {"output_0/1", "output_0/2"} <= lab.ledger.files(second.run_id).keys()
    assert "taken from task 1" in graph(lab.folder(second))["#task-1"]["description"]


def test_what_the_ledger_has_no_checksums_of_is_read_from_the_storage(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path / "connector", DEEP), LOCAL, sweep={"n": [1, 2]})
    record = lab.add(proposal)
    lab.drive(record, proposal)
    forget(lab)
    (lab.results / record.name / METADATA).unlink()

    again(lab, record)
    lab.drive(record, proposal)

    assert_whole(lab.results / record.name)


def forget(lab: Lab) -> None:
    with lab.ledger._database.transaction() as execute:
        execute("DELETE FROM files")


def again(lab: Lab, record: RunRecord) -> None:
    """As if the run had been interrupted when all but its records was done."""
    with lab.ledger._database.transaction() as execute:
        execute("UPDATE runs SET status = 'failed' WHERE id = :run", {"run": record.id})


def test_what_was_computed_on_a_server_is_the_same_crate(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    sample = connector(tmp_path / "connector", DEEP)

    here, there = (lab.go(sample, compute, sweep={"n": [1, 2, 3]}) for compute in (LOCAL, unix(*hosts[:2])))

    assert_whole(lab.folder(there))
    assert outputs(lab, here) == outputs(lab, there) != {}
    entities = graph(lab.folder(there))
    used = {entities[entities[f"#task-{number}"]["location"]["@id"]]["name"] for number in (1, 2, 3)}
    assert used <= {f"{host.user}@{host.address}:{host.port}" for host in hosts[:2]}


def test_a_crate_on_a_file_server_is_checked_there(hosts: list[SSHD], tmp_path: Path) -> None:
    lab, files = Lab(tmp_path), storage_on(hosts[3], "results")

    input = start_point(tmp_path / "input")
    result = lab.go(halving(tmp_path / "connector"), LOCAL, input=input, output=files, max_iterations=2)

    found = verify(opened(files, result.name))
    assert (found.missing, found.changed, found.extra) == ([], [], [])
    assert found.checked > 20
    files.write(f"{result.name}/output_1/4/improved", b"other")
    found = verify(opened(files, result.name))
    assert found.changed == ["output_1/4/improved"]
    files.close()


@pytest.mark.slow
def test_thousands_of_tasks_are_told_in_little_memory(tmp_path: Path) -> None:
    """Many times what a hundred tasks take, but never all of what is told of them at once."""
    few, many = told_of(tmp_path / "few", 100), told_of(tmp_path / "many", 10_000)

    assert many - few < 150_000, f"kB more for 10,000 tasks of four files than for 100: {many - few}"


def told_of(folder: Path, tasks: int) -> int:
    """The most memory, in kB, of a process that writes the crate of so many tasks."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.crate_writer", str(folder), str(tasks)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    entities = graph(next((folder / "results").iterdir()))
    assert sum(entity["@type"] == "CreateAction" for entity in entities.values()) == tasks + 1
    assert sum(entity["@type"] == "File" for entity in entities.values()) >= 4 * tasks
    return int(done.stdout)


def outputs(lab: Lab, result: RunResult) -> dict[str, str]:
    return {
        name: entity["sha256"]
        for name, entity in graph(lab.folder(result)).items()
        if name.startswith("output_0/") and "sha256" in entity
    }


@pytest.mark.parametrize("error", [CommandFailed("the disk is full"), KeyError("a library's mistake")])
def test_a_crate_that_cannot_be_written_is_a_warning_and_no_more(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        raise error

    monkeypatch.setattr(run_crate, "write", fail)
    lab = Lab(tmp_path)

    result = lab.go(connector(tmp_path / "connector", DEEP), LOCAL)

    assert result.state == "completed"
    assert any(message.startswith(f"{METADATA} could not be written: ") for message in lab.view.messages)
    assert (lab.folder(result) / "run.json").exists()


def test_a_changed_byte_a_missing_file_and_one_too_many_are_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    folder = lab.folder(lab.go(connector(tmp_path / "connector", DEEP), LOCAL, sweep={"n": [1, 2]}))
    changed = folder / "output_0" / "1" / "a folder" / "50% #1.txt"
    changed.unlink()  # it shares its content with the one in output/
    changed.write_text("7\n")
    (folder / "output_0" / "2.stdout").unlink()
    (folder / "notes").write_text("mine")

    found = verify(opened(LocalStorage(path=str(folder)), ""))

    assert not found.ok
    assert found.changed == ["output_0/1/a folder/50% #1.txt"]
    assert found.missing == ["output_0/2.stdout"]
    assert found.extra == ["notes"]


def test_what_is_missing_under_the_second_name_of_the_last_outputs_is_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    folder = lab.folder(lab.go(connector(tmp_path / "connector", DEEP), LOCAL, sweep={"n": [1, 2]}))

    def found() -> tuple[list[str], list[str], list[str]]:
        said = verify(opened(LocalStorage(path=str(folder)), ""))
        return said.missing, said.changed, said.extra

    (folder / "output" / "1" / "a folder" / "50% #1.txt").unlink()
    assert found() == (["output/1/a folder/50% #1.txt"], [], [])

    shutil.rmtree(folder / "output")
    assert found() == (["output/"], [], [])

    (folder / "output").symlink_to("output_0")  # as on a file server
    assert found() == ([], [], [])

    (folder / "output").unlink()
    (folder / "output").symlink_to("input_0")
    assert found() == ([], ["output"], [])
